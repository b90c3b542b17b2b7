"""Your own scenes: reading, radiometric stretch, and translation of labels."""
