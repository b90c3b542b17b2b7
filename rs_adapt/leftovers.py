"""Temporary names of files and folders that are being written, and what killed processes leave under them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import time
from contextlib import suppress
from pathlib import Path

# Whether the processes of another machine are alive cannot be asked; nothing is under way for a day without a change.
_LEFTOVER_AGE_S = 24 * 3600.0
_LEFTOVER = re.compile(r"\..+\.(?:new|old)-.+-\d+-\w+")


def is_leftover(name: str) -> bool:
    """Return whether a name is a temporary one, which a killed process may leave."""
    return _LEFTOVER.fullmatch(name) is not None


def temporary_prefix(path: Path, kind: str) -> str:
    """Return how a temporary name beside a path begins; it states the machine and the process.

    Args:
        path: The path that is written.
        kind: `new` for what will get its name, `old` for what had it before.
    """
    return f".{path.name}.{kind}-{socket.gethostname()}-{os.getpid()}-"


def remove_leftovers(path: Path) -> None:
    """Remove temporary files and folders of `path` whose process was killed."""
    pattern = re.compile(rf"\.{re.escape(path.name)}\.(?:new|old)-(.+)-(\d+)-\w+")
    for leftover in path.parent.iterdir():
        match = pattern.fullmatch(leftover.name)
        if match is not None:
            with suppress(OSError):
                is_old = time.time() - leftover.stat().st_mtime > _LEFTOVER_AGE_S
                if is_old or (match[1] == socket.gethostname() and not is_process_alive(int(match[2]))):
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def is_process_alive(process: int) -> bool:
    """Return whether a process of this machine runs; True where that cannot be asked."""
    if os.name == "nt":
        # Signal 0 would end the process there.
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        # A number that no process can have, too: names and locks of others may hold any.
        return False
    except OSError:
        # It belongs to another user.
        pass
    return True
