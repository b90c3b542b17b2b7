"""Commands that are stopped, and continue when they are repeated."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from rs_adapt.signals import STOP_SIGNALS, handle_signals

# Exit code of commands that are stopped, as shells have it for Ctrl-C.
INTERRUPTED = 130


@contextmanager
def continued_by_repeating(saved: str) -> Iterator[None]:
    """End at Ctrl-C, SIGTERM and SIGHUP with the command that continues; a decorator, too.

    Args:
        saved: States what is not lost, such as "the finished strips are saved".

    Raises:
        Exit: With code 130, after a stop.
    """

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        with handle_signals(STOP_SIGNALS, stop):
            yield
    except KeyboardInterrupt:
        from rs_adapt.api.progress import error_console

        command = shlex.join(["rs-adapt", *sys.argv[1:]])
        error_console().print(f"Stopped; {saved}. Continue with\n  {command}", highlight=False, soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None
