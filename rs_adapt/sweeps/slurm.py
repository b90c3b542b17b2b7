"""Cells as Slurm jobs, through submitit (`pip install 'rs-adapt[slurm]'`)."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from rs_adapt.errors import ConfigError
from rs_adapt.launching import safe_path
from rs_adapt.signals import STOP_SIGNALS
from rs_adapt.sweeps.spec import LauncherSpec
from rs_adapt.sweeps.work import FAILED, Order, Stop, carry_out

# Slurm accepts any number of jobs; this leaves room for other users of the queue.
_MAX_JOBS = 500
# Time that a run has to save before Slurm ends the job.
_SAVING_S = 60


class CellJob:
    """The work of a Slurm job.

    Two jobs of one cell are harmless: the second finds the lock, or the result. At the time limit the run saves, and
    submitit puts the job into the queue again, where it resumes.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self._has_safe_path = "PYTHONSAFEPATH" in os.environ
        self._stop: Stop | None = None

    def __call__(self) -> int:
        """Carry out the order on the node."""
        if not self._has_safe_path:
            # It was for submitit; the command of a cell may be a script that imports its neighbours.
            os.environ.pop("PYTHONSAFEPATH", None)
        self._stop = Stop()
        # Slurm cancels jobs by SIGTERM; submitit ends its local processes by SIGINT.
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        return carry_out(self.order, stop=self._stop)

    def checkpoint(self) -> Any:
        """Let the run save, and return the `DelayedSubmission` that submitit queues to continue it."""
        from submitit.helpers import DelayedSubmission

        if self._stop is not None:
            self._stop()
            child, until_s = self._stop.child, time.monotonic() + _SAVING_S
            while child is not None and child.poll() is None and time.monotonic() < until_s:
                time.sleep(0.1)
        return DelayedSubmission(CellJob(self.order))


class SlurmJob:
    """A job in the queue of Slurm, or a finished job."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def poll(self) -> int | None:
        """Return the exit code of `carry_out`; `FAILED` if the job ended without a code."""
        if not self._job.done():
            return None
        try:
            return int(self._job.result())
        except Exception:
            # submitit raises many errors for killed jobs; the state of the cell is read from its folder.
            return FAILED

    def stop(self) -> None:
        """Cancel the job: Slurm sends SIGTERM, and the run saves its state."""
        self._job.cancel()


class Slurm:
    """Jobs of Slurm; with the cluster `local` the same jobs as processes of this machine.

    Args:
        spec: `slurm` has parameters for submitit's `update_parameters`.
        log_dir: Folder for submitit's scripts and logs; every node must see it, and the run folders too.

    Raises:
        ConfigError: Submitit is not installed, there is no Slurm, or it does not know a parameter.
    """

    def __init__(self, spec: LauncherSpec, log_dir: str) -> None:
        try:
            import submitit
        except ImportError as error:
            raise ConfigError(
                "The launcher slurm needs submitit: pip install 'rs-adapt[slurm]'. Without Slurm use --launcher local."
            ) from error
        try:
            self._executor = submitit.AutoExecutor(folder=log_dir, cluster=spec.cluster)
            parameters = {"name": "rs-adapt", "timeout_min": 24 * 60, "tasks_per_node": 1} | dict(spec.slurm)
            self._executor.update_parameters(**parameters)
        except Exception as error:
            # submitit raises RuntimeError, NameError and others for a missing sbatch and for unknown parameters.
            raise ConfigError(
                f"submitit rejects the options of the launcher slurm: {error}. launcher.slurm takes its parameters, "
                "such as timeout_min, mem_gb, gpus_per_node and slurm_partition; cluster = 'local' runs without Slurm."
            ) from error
        self.slots = spec.jobs or _MAX_JOBS
        self.description = f"up to {self.slots} jobs of {'Slurm' if spec.cluster == 'slurm' else 'this machine'}"

    def start(self, order: Order, slot: int) -> SlurmJob:
        """Submit a cell."""
        job = CellJob(order)
        # submitit starts its own module by `-m`, from the current folder.
        with safe_path():
            return SlurmJob(self._executor.submit(job))
