"""Several processes of one run on this machine: started, told of signals, and waited for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

from rs_adapt.signals import handle_signals

# Processes that stop for the same reason do so within seconds; one that waits for a dead one may wait for ever.
_GRACE_S = 20.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def launch(processes: int) -> int:
    """Start this command line again as several processes that train together, and wait for all of them.

    Not by `torchrun`, which hides exit codes behind a report of its own and also signals the processes that load
    images. Each child runs in a session of its own, so that Ctrl-C reaches it once: from here.

    Args:
        processes: How many.

    Returns:
        The exit code of the first process, or of another one if that is where it failed.
    """
    shared = {
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
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                command = [sys.executable, "-m", "rs_adapt", *sys.argv[1:]]
                children.append(subprocess.Popen(command, env=os.environ | shared | own, start_new_session=True))
            return _exit_code(_waited(children))
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()


def _waited(children: list[subprocess.Popen[bytes]]) -> list[int]:
    """Exit codes of all children; those that outlive a failed one for too long are ended."""
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


def _exit_code(codes: list[int]) -> int:
    """One code for all: the first that is not 0; what a signal ended counts as in a shell."""
    code = next((code for code in codes if code), 0)
    return 128 - code if code < 0 else code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
