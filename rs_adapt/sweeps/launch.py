"""The loop that runs cells, as many at once as the launcher has slots, until none is left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rs_adapt.errors import ConfigError
from rs_adapt.launchers.stop import Stop
from rs_adapt.launching import python_command
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.sweeps.cells import SweepCell
from rs_adapt.sweeps.folder import CellState, is_cell_locked, read_state
from rs_adapt.sweeps.local import Local, find_visible_gpus
from rs_adapt.sweeps.spec import LauncherSpec
from rs_adapt.sweeps.work import BUSY, Order, complete_record

_TICK_S = 0.2
# Interval of checks on cells that other processes run.
_ELSEWHERE_S = 1.0


class Job(Protocol):
    """A started cell."""

    def poll(self) -> int | None:
        """Return the exit code of `carry_out`, None while it runs."""

    def stop(self) -> None:
        """Ask the cell to save and end; a second call ends it at once."""


class Launcher(Protocol):
    """A way to start cells, up to `slots` at once; `description` describes it for people."""

    slots: int
    description: str

    def start(self, order: Order, slot: int) -> Job:
        """Start a cell in a free slot, counted from 0."""


@dataclass(kw_only=True)
class RerunPolicy:
    """The states whose cells are run: missing and interrupted, and on request stale or failed."""

    rerun_stale: bool = False
    retry_failed: bool = False

    def selects(self, state: CellState) -> bool:
        """Return whether a cell in this state is started."""
        return (
            state.status in ("missing", "interrupted")
            or (state.status == "stale" and self.rerun_stale)
            or (state.status == "failed" and self.retry_failed)
        )


@dataclass(kw_only=True)
class Progress:
    """The states of a sweep's cells; `on_change` is called with a cell whose state has changed."""

    states: dict[str, CellState]
    on_change: Callable[[SweepCell, CellState], None] = lambda cell, state: None
    on_tick: Callable[[], None] = lambda: None

    def update(self, cell: SweepCell) -> CellState:
        """Read a cell's state again."""
        state = _state_of(cell)
        if state.status != self.states[cell.name].status:
            self.on_change(cell, state)
        self.states[cell.name] = state
        return state


def read_states(cells: Sequence[SweepCell]) -> dict[str, CellState]:
    """Return the states of cells by the names of the cells."""
    return {cell.name: _state_of(cell) for cell in cells}


def _state_of(cell: SweepCell) -> CellState:
    return read_state(
        cell.present_folder, digest=cell.digest, identity=cell.identity, fingerprints=lambda: cell.fingerprints
    )


def train_command(spec: LauncherSpec, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the command of a cell: `rs-adapt train` by this Python, or by the program in the sweep's file."""
    if spec.command:
        return (*spec.command, "train", *arguments)
    processes = ("--processes", str(spec.processes_per_cell)) if spec.processes_per_cell > 1 else ()
    return python_command("rs_adapt", "train", *arguments, *processes)


def build_order(cell: SweepCell, spec: LauncherSpec, *, retries: int, rerun: bool) -> Order:
    """Build the order that runs a cell."""
    return Order(
        folder=str(cell.folder),
        title=str(cell),
        digest=cell.digest,
        identity=cell.identity,
        config_sha256=cell.config_sha256,
        command=train_command(spec, cell.arguments),
        retries=retries,
        rerun=rerun,
        # Of a cell without a run, nothing has to be compared.
        fingerprints=cell.fingerprints if (cell.folder / CELL_FILE).is_file() else {},
    )


def run_cells(
    cells: Sequence[SweepCell],
    launcher: Launcher,
    *,
    spec: LauncherSpec,
    retries: int,
    policy: RerunPolicy,
    progress: Progress,
    stop: Stop,
) -> bool:
    """Run the selected cells, and wait for cells that other processes run.

    A failed cell does not stop the others. After a stop is requested, no more cells are started, and those that run
    are asked to save and end.

    Args:
        cells: The cells to handle; `policy` selects by state which of them are started.
        launcher: Starts cells.
        spec: Launcher settings of the sweep's file.
        retries: Number of further attempts for a failed cell.
        policy: The states whose cells are started.
        progress: States of the cells; updated while they run.
        stop: Counts the requests to stop.

    Returns:
        True if all cells were handled, False after a stop.
    """
    for cell in cells:
        complete_record(cell.present_folder, progress.states[cell.name])
    waiting = [cell for cell in cells if policy.selects(progress.states[cell.name])]
    elsewhere = [cell for cell in cells if progress.states[cell.name].status == "running"]
    # Rerun only once: a cell that fails a second time stays failed.
    rerun = {cell.name for cell in waiting if progress.states[cell.name].status in ("stale", "failed")}
    jobs: dict[int, tuple[SweepCell, Job]] = {}
    forwarded_stops, checked_s = 0, time.monotonic()
    while waiting or jobs or elsewhere:
        for slot, (cell, job) in list(jobs.items()):
            code = job.poll()
            if code is not None:
                del jobs[slot]
                if code == BUSY:
                    elsewhere.append(cell)
                progress.update(cell)
        if stop.requests:
            waiting, elsewhere = [], []
            if stop.requests > forwarded_stops:
                forwarded_stops = stop.requests
                for _, job in jobs.values():
                    job.stop()
        for slot in range(launcher.slots):
            if slot in jobs or not waiting or stop.requests:
                continue
            cell = waiting.pop(0)
            cell.move_to_folder()
            order = build_order(cell, spec, retries=retries, rerun=cell.name in rerun)
            jobs[slot] = (cell, launcher.start(order, slot))
        if elsewhere and time.monotonic() - checked_s >= _ELSEWHERE_S:
            checked_s = time.monotonic()
            released = [cell for cell in elsewhere if not is_cell_locked(cell.present_folder)]
            elsewhere = [cell for cell in elsewhere if cell not in released]
            # Cells that the other process left unfinished are run here.
            waiting += [cell for cell in released if progress.update(cell).status in ("missing", "interrupted")]
        for cell, _ in jobs.values():
            progress.update(cell)
        progress.on_tick()
        time.sleep(_TICK_S)
    return not stop.requests


def choose_launcher(
    spec: LauncherSpec, *, log_dir: str, stop: Stop, run_inline: Callable[[list[str]], None]
) -> Launcher:
    """Return the launcher that a sweep's file and its options name.

    Args:
        spec: Kind, jobs, GPUs, processes of a cell.
        log_dir: Folder for the output of Slurm's jobs.
        stop: Requested by `inline` when its cell was stopped.
        run_inline: Runs the arguments of `rs-adapt` in this process and raises `SystemExit`.

    Raises:
        ConfigError: The launcher cannot run such cells, or its package is missing.
    """
    if spec.kind == "inline":
        if spec.command or spec.processes_per_cell > 1:
            raise ConfigError(
                "The launcher inline runs cells in this process, so it cannot use launcher.command or "
                "launcher.processes_per_cell. Use --launcher local."
            )
        from rs_adapt.sweeps.inline import Inline

        return Inline(run_inline, stop)
    if spec.kind == "slurm":
        from rs_adapt.sweeps.queued import CellQueue

        return CellQueue(spec, log_dir)
    return local_launcher(spec)


def local_launcher(spec: LauncherSpec) -> Local:
    """Return the launcher for this machine's slots.

    Raises:
        ConfigError: There are not enough GPUs for one cell.
    """
    gpus = find_visible_gpus() if spec.gpus is None else tuple(str(gpu) for gpu in spec.gpus)
    return Local(
        jobs=spec.jobs,
        gpus=gpus,
        processes_per_cell=spec.processes_per_cell,
        cores=_count_cores(),
        threads=os.environ.get("OMP_NUM_THREADS") or None,
    )


def _count_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
