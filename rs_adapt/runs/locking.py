"""The lock of a run folder: one process at a time writes into it. Loads no torch.

Training holds it alone; what only reads the run and writes beside it (`eval`, `inspect`, `export`) shares it. Reading
and reporting need no lock. The system drops it when its holder ends, however it ends, and where files cannot be locked
everyone gets it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.leftovers import is_process_alive
from rs_adapt.locks import is_lock_file, is_locked, keep_lock, removed_lock
from rs_adapt.runs.files import CELL_FILE, LOCK_FILE, SWEEP_LOCK_FILE

# How a process names the lock that it holds for the processes that it starts: `descriptor:token`.
_VARIABLE = "RS_ADAPT_RUN_LOCK"
# The descriptors and lock files that this process holds alone.
_held: dict[int, Path] = {}


@dataclass(frozen=True, kw_only=True)
class _Holder:
    """The content of a lock file: the process that holds the lock, and a word that only its children know."""

    pid: int | None = None
    host: str = ""
    token: str = ""

    def __str__(self) -> str:
        is_here = self.host == socket.gethostname()
        # Of several that share the lock, the one that is named may have ended.
        if self.pid is None or (is_here and not is_process_alive(self.pid)):
            return "another process"
        return f"process {self.pid}" + ("" if is_here else f" on {self.host}")


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder alone during the block; the folder must exist.

    A process that the holder has started for this run holds it already.

    Raises:
        OutputExists: A different process holds it.
    """
    if _is_held_for_this_process(folder):
        yield
        return
    with try_to_lock_run(folder) as descriptor:
        if descriptor is None:
            raise _in_use(folder)
        yield


@contextmanager
def try_to_lock_run(folder: Path) -> Iterator[int | None]:
    """Hold the lock of a run folder alone during the block, unless a different process holds it.

    Yields:
        The descriptor of the lock, for child processes (`lock_variables`); None if a different process holds it.
    """
    with removed_lock(folder / LOCK_FILE) as descriptor:
        if descriptor is None:
            yield None
            return
        _write_holder(descriptor, token=secrets.token_hex(8))
        _held[descriptor] = folder / LOCK_FILE
        try:
            yield descriptor
        finally:
            _held.pop(descriptor, None)


@contextmanager
def share_run(folder: Path) -> Iterator[None]:
    """Hold off training in a run folder during the block; others may share that. No effect outside of run folders.

    Args:
        folder: A run folder, or a folder with a pack inside one.

    Raises:
        OutputExists: A process trains in the folder.
    """
    run = next((place for place in [folder, *folder.absolute().parents][:3] if (place / CELL_FILE).is_file()), None)
    if run is None or not os.access(run, os.W_OK) or _is_held_for_this_process(run):
        yield
        return
    with removed_lock(run / LOCK_FILE, shared=True) as descriptor:
        if descriptor is None:
            raise _in_use(run)
        if _read_holder(run / LOCK_FILE).pid is None:
            _write_holder(descriptor, token="")
        yield


@contextmanager
def lock_output(folder: Path) -> Iterator[None]:
    """Be the only process that writes into a folder of output during the block; an empty one is removed afterwards.

    Raises:
        OutputExists: A different process writes into it.
        ConfigError: It cannot be made or written to.
    """
    made = [place for place in (folder, folder.parent) if not place.exists()]
    try:
        with ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                stack.enter_context(lock_run(folder))
            except OSError as error:
                raise ConfigError(
                    f"Cannot write to {folder}: {error.strerror}. Choose a different folder with --out."
                ) from error
            yield
    finally:
        for place in made:
            with suppress(OSError):
                place.rmdir()


def refuse_locked_run(folder: Path) -> None:
    """Refuse a run folder into which a different process writes, without waiting for the lock.

    Raises:
        OutputExists: There is such a process.
    """
    if not _is_held_for_this_process(folder) and is_run_locked(folder):
        raise _in_use(folder)


def is_run_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a run folder, or that of a sweep of an older version."""
    return any(is_locked(folder / name) for name in (LOCK_FILE, SWEEP_LOCK_FILE))


def lock_variables(descriptor: int) -> Mapping[str, str]:
    """Return the environment variables by which a child knows that it works under the lock of this process."""
    return {_VARIABLE: f"{descriptor}:{_read_holder(_held[descriptor]).token}"} if descriptor in _held else {}


def inherited_locks() -> tuple[int, ...]:
    """Return the descriptors of the lock under which this process was started, for its own children.

    From the first call on, this process is named as the holder, and processes that it forks do not hold the lock.
    """
    text, _, token = os.environ.get(_VARIABLE, "").partition(":")
    descriptor = int(text) if text.isdigit() else -1
    try:
        if os.pread(descriptor, 4096, 0).decode().find(token) < 0 or not token:
            return ()
    except (OSError, ValueError):
        # The program in between has not passed it on.
        return ()
    keep_lock(descriptor)
    _write_holder(descriptor, token=token)
    return (descriptor,)


def _is_held_for_this_process(folder: Path) -> bool:
    lock_file = folder / LOCK_FILE
    if any(is_lock_file(descriptor, lock_file) for descriptor in _held):
        return True
    token = os.environ.get(_VARIABLE, "").partition(":")[2]
    return bool(token) and _read_holder(lock_file).token == token and is_locked(lock_file)


def _write_holder(descriptor: int, *, token: str) -> None:
    content = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "token": token}) + "\n"
    # For people and for children: the lock holds without it.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content.encode(), 0)


def _read_holder(lock_file: Path) -> _Holder:
    try:
        content = json.loads(lock_file.read_text(encoding="utf-8"))
        return _Holder(pid=int(content["pid"]), host=str(content["host"]), token=str(content["token"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _Holder()


def _in_use(folder: Path) -> OutputExists:
    return OutputExists(
        f"{folder} is in use by {_read_holder(folder / LOCK_FILE)}, so nothing is done there. Wait until it has ended, "
        "or end it."
    )
