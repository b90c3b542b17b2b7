"""The pace of maps that are predicted: megapixels a second, and the time left."""

from __future__ import annotations

import time

from rs_adapt.engine.time_left import format_seconds


class Pace:
    """Notes on the progress of stages whose size is known, for `progress_callback`."""

    def __init__(self) -> None:
        self._stages: dict[str, tuple[int, float, float]] = {}

    def start(self, stage: str, done: int, total: int, mpx: float) -> None:
        """Begin to measure a stage.

        Args:
            stage: Its name.
            done: Tiles that an interrupted call has predicted.
            total: Tiles in all.
            mpx: Megapixels of all tiles.
        """
        self._stages[stage] = (done, mpx / total, time.perf_counter())

    def note(self, stage: str, done: int, total: int | None) -> str:
        """Return the pace and the time left; nothing for other stages, and before the first tile."""
        first, mpx_of_tile, started_s = self._stages.get(stage, (0, 0.0, 0.0))
        if total is None or mpx_of_tile == 0 or done <= first:
            return ""
        tile_s = (time.perf_counter() - started_s) / (done - first)
        left = f", {format_seconds((total - done) * tile_s)} left" if done < total else ""
        return f" tiles, {mpx_of_tile / tile_s:.2f} Mpx/s{left}"
