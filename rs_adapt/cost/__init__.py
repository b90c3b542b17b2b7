"""The costs of methods: parameters, memory and time, measured side by side."""
