"""Sweeps: lists of axis values become cells, each a run in its own folder that is started, resumed and reported.

Imports no torch; only the process that measures for a plan does.
"""
