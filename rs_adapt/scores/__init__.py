"""Scores of stored confusion matrices: means, intervals, paired differences, rankings. Loads no torch."""
