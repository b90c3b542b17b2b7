"""Runs and configurations held against what they claim. Nothing here trains, and no file is executed."""
