"""Signals for the length of a block."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handled(numbers: Sequence[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let a function handle signals within the block, and put back what handled them before.

    Outside the main thread nothing is changed: signals do not arrive there anyway.

    Args:
        numbers: the signals.
        handler: called with the signal's number and the frame it arrived in.
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
