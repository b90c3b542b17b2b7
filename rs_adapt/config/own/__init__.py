"""Benches of one's own: TOML files that describe scenes, classes and labels."""
