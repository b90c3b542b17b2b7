"""A run checked against itself: every statement in its files that can be recomputed from others."""
