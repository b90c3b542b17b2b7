"""File-changing events of a process, counted below some folders; the n-th one kills it or fails.

An audit hook sees what Python opens for writing, renames, removes and makes; `os.fsync` and the lines that are appended
to a file have no audit event and are wrapped. A hook cannot be taken off again: install one in a forked process only.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Event -> position of the path, and of the descriptor of the folder that it is relative to.
_CHANGES = {
    "os.rename": ((0, 2), (1, 3)),
    "os.remove": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.truncate": ((0, None),),
    "os.link": ((1, 3),),
    "os.symlink": ((1, 2),),
}

# Called before a change with its kind and path; `torn` is what writes the first half of an appended line.
OnEvent = Callable[[str, str, Callable[[], None] | None], None]


def watch(folders: Sequence[Path], on_event: OnEvent) -> None:
    """Call a function before every change below some folders, for the rest of this process."""
    roots = [os.path.realpath(folder) for folder in folders]

    def is_watched(path: str) -> bool:
        return any(path == root or path.startswith(f"{root}/") for root in roots)

    def place(path: Any, descriptor: Any = None) -> str | None:
        if isinstance(path, int):
            return os.path.realpath(f"/proc/self/fd/{path}")
        text = os.fsdecode(os.fspath(path))
        if not os.path.isabs(text):
            above = f"/proc/self/fd/{descriptor}" if isinstance(descriptor, int) and descriptor >= 0 else os.getcwd()
            text = os.path.join(os.path.realpath(above), text)
        return os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))

    def on_audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _mode, flags = arguments
            if isinstance(path, int) or not isinstance(flags, int) or not flags & _WRITING:
                return
            if is_watched(name := str(place(path))):
                on_event("open", name, None)
        elif event in _CHANGES:
            for where, descriptor in _CHANGES[event]:
                above = None if descriptor is None else arguments[descriptor]
                if is_watched(name := str(place(arguments[where], above))):
                    on_event(event, name, None)
                    return

    real_fsync, real_fdopen = os.fsync, os.fdopen

    def fsync(descriptor: int) -> None:
        if is_watched(name := os.path.realpath(f"/proc/self/fd/{descriptor}")):
            on_event("fsync", name, None)
        real_fsync(descriptor)

    def fdopen(descriptor: int, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        file, name = real_fdopen(descriptor, mode, *arguments, **options), place(descriptor)
        return _Appended(file, str(name), on_event) if mode in ("a", "ab") and is_watched(str(name)) else file

    os.fsync = fsync
    os.fdopen = fdopen
    sys.addaudithook(on_audit)


class _Appended:
    """A file opened to append lines, each write of which is an event."""

    def __init__(self, file: Any, name: str, on_event: OnEvent) -> None:
        self._file, self._name, self._on_event = file, name, on_event

    def write(self, text: Any) -> int:
        def tear() -> None:
            self._file.write(text[: len(text) // 2])
            self._file.flush()

        self._on_event("append", self._name, tear)
        return int(self._file.write(text))

    def __enter__(self) -> _Appended:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Counter:
    """Notes all events, up to the n-th, at which it acts.

    Args:
        act: Called at the n-th event.
        at: n, from 1; 0 acts never.
    """

    def __init__(self, act: Callable[[str], None] | None = None, *, at: int = 0) -> None:
        self.events: list[tuple[str, str]] = []
        self._act, self._at = act, at

    def __call__(self, kind: str, path: str, tear: Callable[[], None] | None) -> None:
        self.events.append((kind, path))
        if self._act is not None and len(self.events) == self._at:
            if tear is not None:
                tear()
            self._act(path)


def kill(_path: str) -> None:
    """End this process as kill -9 and a power cut do."""
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk(path: str) -> None:
    """Fail as a write to a full disk does."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
