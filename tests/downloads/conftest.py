"""What a caller of `fetch` sees."""

from __future__ import annotations

from typing import Any

import pytest


class Watch:
    """What a caller sees; waits are noted and not waited."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.notes: list[str] = []
        self.progress: list[tuple[int, int | None]] = []

    def arguments(self) -> dict[str, Any]:
        return {
            "sleep": self.waits.append,
            "on_note": self.notes.append,
            "on_progress": lambda stage, done, total: self.progress.append((done, total)),
        }


@pytest.fixture
def watch() -> Watch:
    """Return an observer of one test's downloads."""
    return Watch()
