"""Temporary signal handlers, and the signals that ask a program to save and end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# The end of the terminal or of the connection to it; Windows does not know it.
HANGUP: int = getattr(signal, "SIGHUP", signal.SIGTERM)
# Ctrl-C, a request to end, and the end of the terminal.
STOP_SIGNALS: tuple[int, ...] = tuple(dict.fromkeys((signal.SIGINT, signal.SIGTERM, HANGUP)))


@contextmanager
def handle_signals(numbers: Sequence[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle signals with a function within the block, and restore the previous handlers afterwards.

    Outside the main thread nothing changes, because Python delivers signals to the main thread only. A hangup that is
    ignored (`nohup`) stays ignored; after one, output to the terminal that is gone is dropped.

    Args:
        numbers: The signals.
        handler: Called with the number of the signal and the interrupted frame.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        if number == HANGUP:
            drop_lost_output()
        handler(number, frame)

    handled = [number for number in numbers if not (number == HANGUP and signal.getsignal(number) == signal.SIG_IGN)]
    try:
        before = {number: signal.signal(number, handle) for number in handled}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def drop_lost_output() -> None:
    """Send stdout and stderr nowhere if their terminal is gone: an error in a message must not cut off what follows."""
    for descriptor in (1, 2):
        try:
            os.write(descriptor, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
