"""Adapters of the library peft."""
