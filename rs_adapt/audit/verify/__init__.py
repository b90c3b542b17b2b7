"""Runs compared with published logs and tables."""
