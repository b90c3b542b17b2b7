"""Runs held against what they claim: published logs and tables. Nothing here trains, and no file is executed."""
