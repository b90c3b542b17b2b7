"""What a method costs: parameters, memory and time, measured side by side."""
