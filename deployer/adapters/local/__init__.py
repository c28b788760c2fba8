"""This machine: processes, clocks, signals, threads, and what is kept in files of ours.

Imports no other wing.
"""
