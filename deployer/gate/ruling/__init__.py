"""From all trials to one verdict: harm, a fleet that is ill as a whole, evidence, health.

Imports trial and stats.
"""
