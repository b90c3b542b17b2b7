"""Cells as processes of this machine: one a GPU, or slots of the CPU's cores."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from rs_adapt.errors import ConfigError
from rs_adapt.launching import module_path, python_command, start_process
from rs_adapt.links import append_bytes
from rs_adapt.runs.files import SWEEP_LOG_FILE
from rs_adapt.sweeps.identity import Identity
from rs_adapt.sweeps.work import Order, format_order
from rs_adapt.threads import is_small


class LocalJob:
    """A process that carries out an order."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Send SIGTERM, which the process forwards to its run; a second one ends the run at once."""
        if self._process.poll() is None:
            self._process.terminate()


class Local:
    """Processes of this machine.

    Args:
        jobs: Cells at once; None for one per GPU, or one where there is no GPU.
        gpus: Names for `CUDA_VISIBLE_DEVICES`; more cells than GPUs share them in turns. Empty for none.
        processes_per_cell: Each cell sees as many GPUs, and each process gets a share of the cores.
        cores: Number of cores of this machine.
        threads: `OMP_NUM_THREADS` as the user has set it, for every process; None divides the cores.

    Raises:
        ConfigError: A cell needs more GPUs than there are.
    """

    def __init__(
        self,
        *,
        jobs: int | None,
        gpus: tuple[str, ...],
        processes_per_cell: int,
        cores: int,
        threads: str | None = None,
    ) -> None:
        if gpus and processes_per_cell > len(gpus):
            raise ConfigError(
                f"launcher.processes_per_cell is {processes_per_cell}, one GPU each, but there are {len(gpus)} GPUs "
                f"({', '.join(gpus)}). Lower launcher.processes_per_cell, or name more with --gpus."
            )
        self.slots = jobs or (len(gpus) // processes_per_cell if gpus else 1)
        self._gpus, self._processes, self._set_threads = gpus, processes_per_cell, threads
        self.threads = max(1, cores // (self.slots * processes_per_cell))
        devices = f"on {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}" if gpus else "on the CPU"
        split = f" of {processes_per_cell} processes each" if processes_per_cell > 1 else ""
        if threads:
            words = f"OMP_NUM_THREADS={threads}"
        else:
            words = f"{self.threads} thread{'s' * (self.threads > 1)} a process"
            words += ", 1 for a small backbone" if self.threads > 1 and not gpus else ""
        self.description = f"{self.slots} at once{split} {devices}, {words}"

    def environment(self, slot: int, identity: Identity | None = None) -> dict[str, str]:
        """Return the environment of the cell in a slot: its threads, and its GPUs where there are some.

        Args:
            slot: Number of the slot, from 0.
            identity: Identity of the cell; one with a small backbone gets one thread on a CPU.
        """
        threads = 1 if identity is not None and not self._gpus and _has_small_backbone(identity) else self.threads
        env = {"OMP_NUM_THREADS": self._set_threads or str(threads)}
        if self._gpus:
            start = slot * self._processes
            gpus = [self._gpus[(start + number) % len(self._gpus)] for number in range(self._processes)]
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        return env

    def start(self, order: Order, slot: int) -> LocalJob:
        """Start a cell."""
        folder = Path(order.folder)
        folder.mkdir(parents=True, exist_ok=True)
        with append_bytes(folder / SWEEP_LOG_FILE) as log:
            worker = python_command("rs_adapt.sweeps.work")
            process = start_process(worker, env=module_path(), output=log, stdin=subprocess.PIPE)
        assert process.stdin is not None
        with process.stdin as pipe:
            env = {**order.env, **self.environment(slot, order.identity)}
            pipe.write(format_order(replace(order, env=env)).encode())
        return LocalJob(process)


def _has_small_backbone(identity: Identity) -> bool:
    width = identity.get("model.backbone.embed_dim", identity.get("model.segmentor.backbone.embed_dim"))
    return is_small(width)


def find_visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that `CUDA_VISIBLE_DEVICES` leaves, else all that nvidia-smi lists; empty without any."""
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is not None:
        return tuple(name for part in variable.split(",") if (name := part.strip()) and name != "-1")
    if shutil.which("nvidia-smi") is None:
        return ()
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return tuple(str(number) for number in range(count if listed.returncode == 0 else 0))
