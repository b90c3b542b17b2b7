"""Work as Slurm jobs, through submitit (`pip install 'rs-adapt[slurm]'`)."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from rs_adapt.errors import ConfigError, RunFailed
from rs_adapt.launchers.stop import Stop
from rs_adapt.launching import safe_path
from rs_adapt.signals import STOP_SIGNALS

# Slurm accepts any number of jobs; this leaves room for other users of the queue.
MAX_JOBS = 500
# Time that work has to save before Slurm ends the job.
_SAVING_S = 60


class Work(Protocol):
    """Work for a node. It is pickled, and must stand being started again after it was stopped or killed."""

    def carry_out(self, stop: Stop) -> object:
        """Do the work, or what is left of it, until a stop is requested; what it returns is pickled."""


class Ended(NamedTuple):
    """The end of a job.

    Attributes:
        result: Return value of the work; None if the job was cancelled or killed, or the work raised an error.
        fault: Last line of the error; empty where there is a result.
    """

    result: object
    fault: str


class QueuedWork:
    """The program of a Slurm job.

    At the time limit the work saves, and submitit puts the job into the queue again, where it resumes.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._has_safe_path = "PYTHONSAFEPATH" in os.environ
        self._stop: Stop | None = None

    def __call__(self) -> object:
        """Carry out the work on the node."""
        if not self._has_safe_path:
            # It was for submitit; the command of a cell may be a script that imports its neighbours.
            os.environ.pop("PYTHONSAFEPATH", None)
        self._stop = Stop()
        # Slurm cancels jobs by SIGTERM; submitit ends its local processes by SIGINT.
        for number in STOP_SIGNALS:
            signal.signal(number, self._stop)
        return self.work.carry_out(self._stop)

    def checkpoint(self) -> Any:
        """Let the work save, and return the `DelayedSubmission` that submitit queues to continue it."""
        from submitit.helpers import DelayedSubmission

        if self._stop is not None:
            self._stop()
            child, until_s = self._stop.child, time.monotonic() + _SAVING_S
            while child is not None and child.poll() is None and time.monotonic() < until_s:
                time.sleep(0.1)
        return DelayedSubmission(QueuedWork(self.work))


class SlurmJob:
    """A job in the queue of Slurm, or a finished job."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def poll(self) -> Ended | None:
        """Return how the job ended; None while it waits or runs."""
        if not self._job.done():
            return None
        try:
            return Ended(self._job.result(), "")
        except Exception as error:
            # submitit raises many errors for killed jobs, and for errors of the work with their text.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return Ended(None, lines[-1] if lines else type(error).__name__)

    def stop(self) -> None:
        """Cancel the job: Slurm sends SIGTERM, and the work saves its state. A job that has ended stays as it is."""
        with suppress(OSError):
            self._job.cancel(check=False)


class Slurm:
    """Jobs of Slurm; with the cluster `local` the same jobs as processes of this machine.

    Args:
        log_dir: Folder for submitit's scripts and logs; every node must see it, and the files of the work too.
        jobs: Jobs in the queue at once; None for `MAX_JOBS`.
        cluster: `slurm` or `local`.
        parameters: For submitit's `update_parameters`.
        options: Where the user gives `parameters`, for messages.
        local: How the user chooses the cluster `local`, for messages.

    Raises:
        ConfigError: Submitit is not installed, there is no Slurm, or it does not know a parameter.
    """

    def __init__(
        self,
        log_dir: str,
        *,
        jobs: int | None,
        cluster: str,
        parameters: Mapping[str, object],
        options: str,
        local: str,
    ) -> None:
        self._log_dir, self._cluster = log_dir, cluster
        self._parameters = {"name": "rs-adapt", "timeout_min": 24 * 60, "tasks_per_node": 1} | dict(parameters)
        # submitit makes the folder at once; before the first job there shall be none.
        self._executor: Any = None
        try:
            with tempfile.TemporaryDirectory() as folder:
                self._open(folder)
        except ImportError as error:
            raise ConfigError(
                "The launcher slurm needs submitit: pip install 'rs-adapt[slurm]'. Without Slurm use --launcher local."
            ) from error
        except Exception as error:
            # submitit raises RuntimeError, NameError and others for a missing sbatch and for unknown parameters.
            fault = f"submitit rejects the options of the launcher slurm: {error}".rstrip(".")
            raise ConfigError(
                f"{fault}{'' if fault.endswith('?') else '.'} {options} takes its parameters, such as timeout_min, "
                f"mem_gb, gpus_per_node and slurm_partition; {local} runs without Slurm."
            ) from error
        self.slots = jobs or MAX_JOBS
        self.description = f"up to {self.slots} jobs of {'Slurm' if cluster == 'slurm' else 'this machine'}"

    def submit(self, work: Work) -> SlurmJob:
        """Put work into the queue.

        Raises:
            RunFailed: Slurm does not take the job.
        """
        if self._executor is None:
            self._executor = self._open(self._log_dir)
        job = QueuedWork(work)
        # submitit starts its own module by `-m`, from the current folder.
        try:
            with safe_path():
                return SlurmJob(self._executor.submit(job))
        except Exception as error:
            # submitit raises errors of its own where sbatch fails, such as for a partition that is not there.
            lines = " ".join(str(error).split())
            raise RunFailed(
                f"Slurm does not take the job: {lines}. What is finished is saved: the same command continues."
            ) from error

    def _open(self, folder: str) -> Any:
        import submitit

        executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster)
        executor.update_parameters(**self._parameters)
        return executor
