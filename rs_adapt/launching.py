"""Processes on this machine: started in sessions of their own, signalled, waited for, and ended with their parent.

A child learns of its parent's death twice: the system sends it SIGTERM (Linux), and the end of a pipe that the parent
holds open tells a program of rs-adapt (`watch_parent`), also where a different program stands in between.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rs_adapt.locks import pass_to_children
from rs_adapt.signals import STOP_SIGNALS, handle_signals

# Exit code of the command line for a wrong configuration, wrong data or wrong usage: starting again does not help.
WRONG_INPUT = 2
# Exit code of a run that was asked to stop and saved its state.
STOPPED = 130

# Processes that stop for the same reason do so within seconds; one that waits for a dead one may wait for ever.
_GRACE_S = 20.0
_SIGNALS = (*STOP_SIGNALS, signal.SIGUSR1)
_PR_SET_PDEATHSIG = 1
# Names the reading end of the parent's pipe for its children: `descriptor:inode`.
_PIPE_VARIABLE = "RS_ADAPT_PARENT_PIPE"
# The pipe of this process: its reading and its writing end.
_pipe: list[int] = []


def python_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of the package by this Python.

    The current folder, from which `-m` would import, is not searched: a file of anybody's that lies there, such as
    `shlex.py`, would run instead of the library's.
    """
    return (sys.executable, "-P", "-m", module, *arguments)


def module_path() -> dict[str, str]:
    """Return the variable by which `python_command` finds the package in a checkout that is not installed."""
    root = Path(__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        return {}
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    return {"PYTHONPATH": os.pathsep.join(dict.fromkeys([*given, str(root)]))}


@contextmanager
def safe_path() -> Iterator[None]:
    """Let Python processes that libraries start in the block not import from the current folder."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def start_process(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    output: IO[bytes] | int | None = None,
    errors: IO[bytes] | int | None = None,
    stdin: int | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process that gets no Ctrl-C of the terminal, and SIGTERM when this process dies.

    The system takes the thread that starts a process for its parent, so that thread has to outlive it (Linux; on other
    systems only programs of rs-adapt end with their parent, see `watch_parent`).

    Args:
        command: Program and arguments.
        env: Variables that it sees besides this process's.
        output: File for stdout and stderr; None for those of this process.
        errors: File for stderr alone; None for that of stdout.
        stdin: Passed to `subprocess.Popen`.
        pass_fds: File descriptors that it inherits.

    Raises:
        OSError: The program cannot be started.
    """
    if not _pipe:
        _pipe.extend(os.pipe())
    pipe_variable = {_PIPE_VARIABLE: f"{_pipe[0]}:{os.fstat(_pipe[0]).st_ino}"}
    with pass_to_children(pass_fds):
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=output,
            stderr=output if errors is None else errors,
            env=os.environ | dict(env) | pipe_variable,
            start_new_session=True,
            pass_fds=(*pass_fds, _pipe[0]),
            preexec_fn=_end_with_parent(),
        )


def run_and_wait(
    command: Sequence[str], *, env: Mapping[str, str], text: str = "", timeout_s: float | None = None
) -> tuple[int, str, str]:
    """Run a process that ends with this one (`start_process`), and wait for it.

    Args:
        command: Program and arguments.
        env: Variables that it sees besides this process's.
        text: Its standard input.
        timeout_s: Seconds after which it is killed; None for no limit.

    Returns:
        Exit code, standard output and standard error.

    Raises:
        OSError: The program cannot be started.
        subprocess.TimeoutExpired: It took longer.
    """
    pipe = subprocess.PIPE
    with start_process(command, env=env, output=pipe, errors=pipe, stdin=pipe) as process:
        try:
            output, errors = process.communicate(text.encode(), timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")


def watch_parent() -> None:
    """Send this process SIGTERM when the process that started it (`start_process`) dies; call it once, at the start."""
    text, _, inode = os.environ.pop(_PIPE_VARIABLE, "").partition(":")
    try:
        descriptor = int(text)
        if os.fstat(descriptor).st_ino != int(inode):
            return
    except (ValueError, OSError):
        return
    os.set_inheritable(descriptor, False)

    def wait() -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Let the system send this process a signal when the thread that started it ends; does nothing outside of Linux."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)


def launch_group(arguments: Sequence[str], processes: int, *, pass_fds: Sequence[int] = ()) -> int:
    """Run one command of `rs-adapt` in several processes that train together, and wait for all of them.

    Not by `torchrun`, which answers every failure with exit code 1 and a report of its own, and also signals the
    processes that load images. Ctrl-C reaches each process once: from here.

    Args:
        arguments: The command line after `rs-adapt`.
        processes: Number of processes, at least 1.
        pass_fds: File descriptors that they inherit.

    Returns:
        The first exit code, by rank, that is not 0; 128 + N for a process that signal N ended; 0 if all succeeded.
    """
    group = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes))),
    }
    children: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: object) -> None:
        for child in children:
            child.send_signal(number)

    with handle_signals(_SIGNALS, forward):
        try:
            for rank in range(processes):
                env = group | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                command = python_command("rs_adapt", *arguments)
                children.append(start_process(command, env=module_path() | env, pass_fds=pass_fds))
            return _group_exit_code(_wait_for_all(children))
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()


def _end_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it starts so that it gets SIGTERM when its parent dies; None where unknown."""
    if not sys.platform.startswith("linux"):
        return None
    library, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def prepare() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            # The parent died before the call.
            os.kill(os.getpid(), signal.SIGTERM)

    return prepare


def _close_in_child() -> None:
    # A forked child that held the pipe open would keep the others alive.
    for descriptor in _pipe[1:]:
        os.close(descriptor)
    _pipe.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def _wait_for_all(children: Sequence[subprocess.Popen[bytes]]) -> list[int]:
    """Return the exit codes of all children; those that outlive a failed one for too long are killed."""
    failed_s: float | None = None
    while None in (codes := [child.poll() for child in children]):
        now_s = time.monotonic()
        if failed_s is None and any(codes):
            failed_s = now_s
        if failed_s is not None and now_s > failed_s + _GRACE_S:
            for child in children:
                child.kill()
        time.sleep(0.1)
    return [child.returncode for child in children]


def _group_exit_code(codes: Sequence[int]) -> int:
    """Return the first code that is not 0; what a signal ended counts as in a shell."""
    code = next((code for code in codes if code), 0)
    return 128 - code if code < 0 else code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
