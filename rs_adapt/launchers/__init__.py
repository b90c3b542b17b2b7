"""Ways to start work elsewhere that several commands share: jobs of Slurm, and how work is asked to stop."""
