"""Locks that one process at a time holds, whether it ends or is killed.

A forked child (a process that loads images) closes the descriptors of the locks, because the system keeps a lock as
long as any process has its descriptor open. A program that is started gets them on request only (`pass_to_children`).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rs_adapt.links import open_unless_link

# A process that only asks whether a lock is free holds it for a moment.
_TRIES, _PAUSE_S = 20, 0.05
_LOOKS, _LOOK_PAUSE_S = 3, 0.005

# Descriptors of the lock files that this process has open, and those that a child may keep.
_open: set[int] = set()
_passed: set[int] = set()


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
    with _opened(lock_file) as descriptor:
        held = _lock(descriptor)
        if held is False:
            on_wait()
            while (held := _lock(descriptor)) is False:
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

    A program that is started with the descriptor holds the lock too, as long as it lives. As `exclusive` in all else.

    Args:
        lock_file: Made if it is not there; its folder must exist.

    Yields:
        The descriptor of the locked file, or None if another process holds the lock.
    """
    with _opened(lock_file) as descriptor:
        yield descriptor if _try_to_lock(descriptor) else None


@contextmanager
def removed_lock(lock_file: Path, *, shared: bool = False) -> Iterator[int | None]:
    """Hold a lock during the block, unless another process holds it, and remove its file afterwards.

    Args:
        lock_file: Made if it is not there; its folder must exist.
        shared: Hold it together with other processes that share it; where the system does not know that, alone.

    Yields:
        The descriptor of the locked file, or None if another process holds the lock.
    """
    for _ in range(_TRIES):
        is_held = False
        try:
            with _opened(lock_file) as descriptor:
                if not _try_to_lock(descriptor, shared=shared):
                    yield None
                    return
                # False where its holder has removed the file since it was opened.
                if is_held := is_lock_file(descriptor, lock_file):
                    yield descriptor
                    is_held = descriptor in _open
                    return
        finally:
            if is_held:
                _remove_if_free(lock_file)
    yield None


def _remove_if_free(lock_file: Path) -> None:
    """Remove a lock file, unless a process still holds the lock: one that shares it, or a child that inherited it."""
    with suppress(OSError), _opened(lock_file) as descriptor:
        if _lock(descriptor) is not False and is_lock_file(descriptor, lock_file):
            lock_file.unlink()


def is_lock_file(descriptor: int, lock_file: Path) -> bool:
    """Return whether a descriptor is that of a lock file; False where the file has been removed or replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), lock_file.stat())
    except OSError:
        return False


def keep_lock(descriptor: int) -> None:
    """Treat a descriptor that this process has inherited as that of a lock of its own: its children do not get it."""
    os.set_inheritable(descriptor, False)
    _open.add(descriptor)


@contextmanager
def pass_to_children(descriptors: Sequence[int]) -> Iterator[None]:
    """Let the programs that are started during the block inherit locks; they are named in `pass_fds` too."""
    _passed.update(descriptors)
    try:
        yield
    finally:
        _passed.difference_update(descriptors)


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


@contextmanager
def _opened(lock_file: Path) -> Iterator[int]:
    # Its holder writes into it.
    descriptor = open_unless_link(lock_file, os.O_RDWR | os.O_CREAT)
    _open.add(descriptor)
    try:
        yield descriptor
    finally:
        if descriptor in _open:
            _open.discard(descriptor)
            os.close(descriptor)


def _close_in_child() -> None:
    for descriptor in _open - _passed:
        with suppress(OSError):
            os.close(descriptor)
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _try_to_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take a lock within a second; True also where files cannot be locked."""
    for attempt in range(_TRIES):
        if (_share if shared else _lock)(descriptor) is not False:
            return True
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE_S)
    return False


def _share(descriptor: int) -> bool | None:
    """Take a lock together with others that share it; see `_lock`."""
    try:
        import fcntl
    except ImportError:
        return _lock(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _lock(descriptor: int) -> bool | None:
    """Take the lock of an open file until it is closed; False if another process holds it, None where impossible."""
    # Imported here: it takes longer than all else that the quick commands load.
    from filelock import lock_descriptor

    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError:
        return None
