"""Temporary signal handlers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handle_signals(numbers: Sequence[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle signals with a function within the block, and restore the previous handlers afterwards.

    Outside the main thread nothing changes, because Python delivers signals to the main thread only.

    Args:
        numbers: The signals.
        handler: Called with the number of the signal and the interrupted frame.
    """
    try:
        before = {number: signal.signal(number, handler) for number in numbers}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
