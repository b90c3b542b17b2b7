"""Benches of the user's own: TOML files that describe scenes, classes and labels."""
