"""One cell from start to end: lock, attempts, record. `python -m rs_adapt.sweeps.work` reads an order from stdin.

Every launcher (processes, Slurm, inline) runs cells through `carry_out`, the only function that writes their state.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rs_adapt.launchers.stop import Stop
from rs_adapt.launching import STOPPED, WRONG_INPUT, start_process, watch_parent
from rs_adapt.links import append_bytes
from rs_adapt.runs.clearing import clear_run
from rs_adapt.runs.files import RESULT_FILE, SWEEP_CELL_FILE, SWEEP_LOG_FILE
from rs_adapt.runs.locking import lock_variables
from rs_adapt.runs.records import SweepCellRecord, write_record
from rs_adapt.signals import STOP_SIGNALS
from rs_adapt.sweeps.data import Fingerprints
from rs_adapt.sweeps.folder import CellState, can_resume, config_sha256, lock_cell, read_last_error, read_state
from rs_adapt.sweeps.identity import Identity

DONE, FAILED, BUSY = 0, 1, 75
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Order:
    """All that a process needs to run a cell.

    Args:
        folder: The run folder, absolute.
        title: The cell's line.
        digest: Hash of `identity`.
        identity: All that changes the result.
        config_sha256: SHA-256 of the settings that change the result; a training state of different ones is not
            resumed.
        command: Command line that starts the run from scratch; `--resume` is added to resume it.
        retries: Number of further attempts after failures.
        rerun: Run the cell also if it is stale, or failed after all its retries.
        env: Environment variables of the run, in addition to this process's.
        fingerprints: Those of the data, by role; a run that recorded different ones is stale and is not resumed.
    """

    folder: str
    title: str
    digest: str
    identity: Identity
    config_sha256: str
    command: tuple[str, ...]
    retries: int
    rerun: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Fingerprints = field(default_factory=dict)


# (argv, environment, log, descriptor of the lock, stop) -> exit code.
Execute = Callable[[list[str], Mapping[str, str], Path, int, Stop], int]


def run_process(argv: list[str], env: Mapping[str, str], log: Path, lock: int, stop: Stop) -> int:
    """Run a command in a process of its own that prints to the log, and wait for it.

    The process holds the lock as long as it lives, gets SIGTERM when this process dies, and no Ctrl-C of the terminal.
    """
    with append_bytes(log) as out:
        env = {**env, **lock_variables(lock)}
        child = start_process(argv, env=env, output=out, stdin=subprocess.DEVNULL, pass_fds=(lock,))
    stop.child = child
    # For a stop that was requested between start and assignment.
    stop.forward()
    while child.poll() is None:
        time.sleep(_POLL_S)
    stop.child = None
    return child.returncode


def carry_out(order: Order, *, stop: Stop, execute: Execute = run_process) -> int:
    """Run a cell unless it is done, retry it after failures, and write its record.

    Returns:
        `DONE`; `FAILED`; `STOPPED` (the saved state can be resumed); `BUSY` (a different process runs it).
    """
    folder = Path(order.folder)
    with lock_cell(folder) as lock:
        if lock is None:
            return BUSY
        state = read_state(
            folder, digest=order.digest, identity=order.identity, locked=False, fingerprints=lambda: order.fingerprints
        )
        if state.status == "done":
            return DONE
        if state.status in ("stale", "failed") and not order.rerun:
            return FAILED
        record = _new_record(order, state.record if state.status not in ("stale", "failed") else SweepCellRecord())
        return _run_attempts(order, folder, record, lock=lock, stop=stop, execute=execute)


def complete_record(folder: Path, state: CellState) -> None:
    """Write the record of a done cell whose process was killed between its result and its record.

    Args:
        folder: The cell's folder.
        state: Its state, from `read_state`.
    """
    if state.status != "done" or state.record.status != "running":
        return
    with lock_cell(folder) as lock:
        if lock is not None:
            ended = None if state.result is None else state.result.finished
            facts = {"ended": ended, "ran_config_sha256": config_sha256(folder)}
            _finish(folder, state.record.model_copy(update=facts), "done", DONE)


def _run_attempts(
    order: Order, folder: Path, record: SweepCellRecord, *, lock: int, stop: Stop, execute: Execute
) -> int:
    log, may_resume = folder / SWEEP_LOG_FILE, True
    while True:
        resume = may_resume and can_resume(folder, order.config_sha256, order.fingerprints)
        if not resume:
            clear_run(folder)
        argv = [*order.command, *(["--resume"] if resume else [])]
        started_s = time.monotonic()
        started = {
            "status": "running",
            "attempts": record.attempts + 1,
            "error": None,
            "command": shlex.join(argv),
            "started": _now(),
            "ended": None,
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }
        record = record.model_copy(update=started)
        write_record(folder / SWEEP_CELL_FILE, record)
        with append_bytes(log) as out:
            out.write(f"--- attempt {record.attempts}, {record.started}: {record.command}\n".encode())
        start = log.stat().st_size
        try:
            code = execute(argv, order.env, log, lock, stop)
            error = "" if code == 0 else read_last_error(log, start)
        except OSError as failure:
            code, error = WRONG_INPUT, f"{argv[0]} cannot be started: {failure.strerror}"
        if code == 0 and not (folder / RESULT_FILE).is_file():
            code, error = FAILED, f"the command ended without {RESULT_FILE}"
        wall_s = round(record.wall_s + time.monotonic() - started_s, 1)
        record = record.model_copy(update={"ended": _now(), "wall_s": wall_s})
        if code == 0:
            record = record.model_copy(update={"ran_config_sha256": config_sha256(folder)})
            return _finish(folder, record, "done", DONE)
        if stop.requests or code == STOPPED:
            return _finish(folder, record, "interrupted", STOPPED)
        failed = {"failures": record.failures + 1, "error": error or f"exit code {code}", "exit_code": code}
        record = record.model_copy(update=failed)
        # A further attempt does not fix wrong input, unless only the training state could not be resumed.
        if record.failures > order.retries or (code == WRONG_INPUT and not resume):
            return _finish(folder, record, "failed", FAILED)
        may_resume = not resume
        write_record(folder / SWEEP_CELL_FILE, record)


def _new_record(order: Order, previous: SweepCellRecord) -> SweepCellRecord:
    return SweepCellRecord(
        title=order.title,
        status="missing",
        digest=order.digest,
        attempts=previous.attempts,
        failures=previous.failures,
        wall_s=previous.wall_s,
        error=None,
        exit_code=None,
        ran_config_sha256=None,
        log=SWEEP_LOG_FILE,
        command="",
        started=None,
        ended=None,
        host="",
        pid=None,
        identity=dict(order.identity),
    )


def _finish(folder: Path, record: SweepCellRecord, status: str, code: int) -> int:
    write_record(folder / SWEEP_CELL_FILE, record.model_copy(update={"status": status}))
    return code


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def format_order(order: Order) -> str:
    """Return an order as the JSON that this module reads from stdin."""
    return json.dumps(asdict(order))


def main() -> None:
    """Carry out the order on stdin; SIGTERM lets the run save and ends it.

    Raises:
        SystemExit: Always, with the code of `carry_out`.
    """
    stop = Stop()
    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    watch_parent()
    content = json.loads(sys.stdin.read())
    raise SystemExit(carry_out(Order(**content | {"command": tuple(content["command"])}), stop=stop))


if __name__ == "__main__":
    main()
