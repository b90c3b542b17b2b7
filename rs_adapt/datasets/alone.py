"""One process at a time makes a folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(out_dir: Path) -> Iterator[None]:
    """Hold the lock of a folder; leftovers of interrupted runs (`.NAME.*-*` beside it) are cleared by whoever holds it.

    The system drops the lock when its holder ends, however it ends. Where files cannot be locked (some network disks,
    Windows), two processes may both make the tiles; each builds in a folder of its own.
    """
    with (out_dir.parent / f".{out_dir.name}.lock").open("a") as handle:
        try:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        except (ImportError, OSError):
            pass
        else:
            for leftover in out_dir.parent.glob(f".{out_dir.name}.*-*"):
                shutil.rmtree(leftover, ignore_errors=True)
        yield
