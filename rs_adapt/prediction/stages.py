"""Steps of a stage of a prediction, added up for the display."""

from __future__ import annotations

from rs_adapt.progress import OnProgress


class StageCounter:
    """Adds up steps and reports them.

    Args:
        stage: What is counted.
        total: Steps in all.
        on_progress: Called with stage, done and total.
    """

    def __init__(self, stage: str, total: int, on_progress: OnProgress) -> None:
        self._stage, self._total, self._on_progress = stage, total, on_progress
        self._done = 0

    def add(self, steps: int) -> None:
        """Report further steps."""
        if steps:
            self._done += steps
            self._on_progress(self._stage, self._done, self._total)
