"""Checkpoint files of other programs: export, import, and the layouts of released files."""
