"""How long work reports its progress: the one callback type that every function with `on_progress` takes."""

from __future__ import annotations

from collections.abc import Callable

# Called with the stage ("checking tiles"), the steps done, and the steps in all; None if their number is not known.
OnProgress = Callable[[str, int, int | None], None]


def no_progress(stage: str, done: int, total: int | None) -> None:
    """Ignore the report."""
