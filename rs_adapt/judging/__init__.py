"""Evidence without labels on whether one model maps a region better than another."""
