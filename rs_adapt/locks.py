"""Locks that one process at a time holds, whether it ends or is killed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A process that only asks whether a lock is free holds it for a moment.
_TRIES, _PAUSE_S = 20, 0.05
_LOOKS, _LOOK_PAUSE_S = 3, 0.005


@contextmanager
def exclusive(lock_file: Path, *, on_wait: Callable[[], object] = lambda: None) -> Iterator[bool]:
    """Hold a lock during the block; wait for it as long as another process holds it.

    The system drops the lock when its holder ends, however it ends; the empty lock file stays. Where files cannot be
    locked (some network disks) everyone gets it, so that what is done under it must be harmless when done twice.

    Args:
        lock_file: Made if it is not there; its folder must exist.
        on_wait: Called once if another process holds the lock.

    Yields:
        Whether the lock is held; False where files cannot be locked.
    """
    with lock_file.open("a") as handle:
        held = _lock(handle.fileno())
        if held is False:
            on_wait()
            while (held := _lock(handle.fileno())) is False:
                time.sleep(_PAUSE_S)
        yield held is True


@contextmanager
def exclusive_folder(folder: Path) -> Iterator[None]:
    """Be the only process that makes a folder, by the lock `.NAME.lock` beside it.

    Whoever holds the lock removes what interrupted processes left beside the folder (`.NAME.*-*`). Where files cannot
    be locked, two processes may both make it, each under a temporary name of its own.
    """
    with exclusive(folder.with_name(f".{folder.name}.lock")) as is_alone:
        if is_alone:
            for leftover in folder.parent.glob(f".{folder.name}.*-*"):
                shutil.rmtree(leftover, ignore_errors=True)
        yield


@contextmanager
def exclusive_if_free(lock_file: Path) -> Iterator[int | None]:
    """Hold a lock during the block, unless another process holds it.

    A child process that inherits the descriptor holds the lock too, as long as it lives. As `exclusive` in all else.

    Args:
        lock_file: Made if it is not there; its folder must exist.

    Yields:
        The descriptor of the locked file, or None if another process holds the lock.
    """
    with lock_file.open("a") as handle:
        for attempt in range(_TRIES):
            if _lock(handle.fileno()) is not False:
                yield handle.fileno()
                return
            if attempt + 1 < _TRIES:
                time.sleep(_PAUSE_S)
        yield None


def is_locked(lock_file: Path) -> bool:
    """Return whether a process holds a lock; False without a lock file, and where files cannot be locked."""
    try:
        descriptor = os.open(lock_file, os.O_RDWR if os.access(lock_file, os.W_OK) else os.O_RDONLY)
    except OSError:
        return False
    try:
        # Several that look at the same time hold it for a moment each.
        for _ in range(_LOOKS):
            if _lock(descriptor) is not False:
                return False
            time.sleep(_LOOK_PAUSE_S)
        return True
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool | None:
    """Take the lock of an open file until it is closed; False if another process holds it, None where impossible."""
    # Imported here: it takes longer than all else that the quick commands load.
    from filelock import lock_descriptor

    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return None
