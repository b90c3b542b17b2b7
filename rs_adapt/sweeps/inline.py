"""Cells in this process, one by one: for use with a debugger, and for full tracebacks."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rs_adapt.launchers.stop import Stop
from rs_adapt.launching import STOPPED
from rs_adapt.links import append_bytes
from rs_adapt.sweeps.work import FAILED, Order, carry_out


class InlineJob:
    """A cell that has ended already."""

    def __init__(self, code: int) -> None:
        self._code = code

    def poll(self) -> int:
        """Return the exit code of `carry_out`."""
        return self._code

    def stop(self) -> None:
        """Do nothing: the cell has ended."""


class Inline:
    """This process.

    Args:
        run: Runs the arguments of `rs-adapt` and raises `SystemExit` with the exit code.
        stop: Requested when a cell was stopped, so that no other cell starts.
    """

    slots = 1
    description = "one by one in this process"

    def __init__(self, run: Callable[[list[str]], None], stop: Stop) -> None:
        self._run, self._stop = run, stop

    def start(self, order: Order, slot: int) -> InlineJob:
        """Run a cell to its end."""
        code = carry_out(order, stop=self._stop, execute=self._execute)
        if code == STOPPED and not self._stop.requests:
            self._stop()
        return InlineJob(code)

    def _execute(self, argv: list[str], env: Mapping[str, str], log: Path, lock: int, stop: Stop) -> int:
        with (
            append_bytes(log) as file,
            io.TextIOWrapper(file, encoding="utf-8") as out,
            contextlib.redirect_stderr(_Tee(sys.stderr, out)),
        ):
            try:
                self._run(argv[argv.index("train") :])
            except SystemExit as end:
                return end.code if isinstance(end.code, int) else (0 if end.code is None else FAILED)
            except Exception:
                traceback.print_exc()
                return FAILED
        return 0


class _Tee:
    """The terminal's stream, which also copies all text to the log."""

    def __init__(self, terminal: Any, log: Any) -> None:
        self._terminal, self._log = terminal, log

    def write(self, text: str) -> int:
        self._log.write(text)
        self._log.flush()
        return int(self._terminal.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._terminal, name)
