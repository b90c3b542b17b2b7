"""Scenes of one's own: reading, radiometric stretch, and translation of labels."""
