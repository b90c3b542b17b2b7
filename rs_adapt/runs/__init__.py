"""Run folders on disk: their files, how they are read, and how runs are collected. Loads no torch."""
