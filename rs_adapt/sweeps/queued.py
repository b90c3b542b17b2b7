"""Cells as Slurm jobs."""

from __future__ import annotations

from dataclasses import dataclass

from rs_adapt.launchers.slurm import Slurm, SlurmJob
from rs_adapt.launchers.stop import Stop
from rs_adapt.sweeps.spec import LauncherSpec
from rs_adapt.sweeps.work import FAILED, Order, carry_out


@dataclass(frozen=True)
class QueuedCell:
    """The work of a job: a cell. Two jobs of one cell are harmless: the second finds the lock, or the result."""

    order: Order

    def carry_out(self, stop: Stop) -> int:
        """Return the exit code of the function `carry_out`."""
        return carry_out(self.order, stop=stop)


class CellJob:
    """A cell in the queue of Slurm, or a finished cell."""

    def __init__(self, job: SlurmJob) -> None:
        self._job = job

    def poll(self) -> int | None:
        """Return the exit code of `carry_out`; `FAILED` if the job ended without a code."""
        ended = self._job.poll()
        if ended is None:
            return None
        # The state of the cell is read from its folder.
        return ended.result if isinstance(ended.result, int) else FAILED

    def stop(self) -> None:
        """Cancel the job: Slurm sends SIGTERM, and the run saves its state."""
        self._job.stop()


class CellQueue:
    """The queue of Slurm as a launcher of cells.

    Args:
        spec: The launcher's settings.
        log_dir: Folder for submitit's scripts and logs; every node must see it, and the run folders too.

    Raises:
        ConfigError: See `Slurm`.
    """

    def __init__(self, spec: LauncherSpec, log_dir: str) -> None:
        self._slurm = Slurm(
            log_dir,
            jobs=spec.jobs,
            cluster=spec.cluster,
            parameters=spec.slurm,
            options="launcher.slurm",
            local="cluster = 'local'",
        )
        self.slots = self._slurm.slots
        self.description = self._slurm.description

    def start(self, order: Order, slot: int) -> CellJob:
        """Submit a cell."""
        return CellJob(self._slurm.submit(QueuedCell(order)))
