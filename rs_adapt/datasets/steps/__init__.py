"""Steps of a tile from file to sample: the same numbers and draws as mmsegmentation's, with less work."""
