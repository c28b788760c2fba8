"""Formulas with their sources: e-processes, intervals, dispersion, what the control is expected to do.

Imports `counts.py` of the gate only.
"""
