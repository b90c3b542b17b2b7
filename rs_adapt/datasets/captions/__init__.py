"""Images with captions on disk: lists, tars, negatives made by rule, and benchmarks of composition. Loads no torch."""
