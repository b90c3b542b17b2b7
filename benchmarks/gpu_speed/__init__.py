"""Parts of `benchmarks/gpu.py`: what is measured, the forms of a training step, clocks, counts and the report."""
