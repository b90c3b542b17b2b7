"""The verbs on sweeps: `sweep` and `plan`."""
