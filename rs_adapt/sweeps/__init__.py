"""Sweeps: lists of axis values to cells, each a run in a folder of its own, started, resumed and told.

Imports no torch; only the process that measures for a plan does.
"""
