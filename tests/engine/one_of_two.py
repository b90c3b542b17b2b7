"""One of two processes that train cells together: `python one_of_two.py JOBS.json`, with RANK and WORLD_SIZE set.

Each job has `cell` and `compose` (arguments), `port`, and maybe `resume`, `signal` (rank and iteration), `teacher`, and
`measures`, for the memory of frozen parameters, and `backend` of `torch.compile`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook
from torch import nn

from rs_adapt.api.teaching import find_teacher
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine import compiling
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.errors import RsAdaptError


class SignalAt(Hook):  # type: ignore[misc]
    """Sends this process SIGTERM during an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


class MeasureFrozen(Hook):  # type: ignore[misc]
    """Measures the memory of all frozen parameters that this process holds before an iteration."""

    def __init__(self) -> None:
        self.held_bytes = 0

    def before_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        gc.collect()
        # By type first: `isinstance` asks lazy objects of other packages for their class.
        tensors = [value for value in gc.get_objects() if issubclass(type(value), torch.Tensor)]
        frozen = [value for value in tensors if isinstance(value, nn.Parameter) and not value.requires_grad]
        # Of a sharded parameter, the local tensor.
        storages = [getattr(value, "_local_tensor", value).untyped_storage() for value in frozen]
        self.held_bytes = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def main(jobs: list[dict[str, Any]]) -> None:
    """Do all jobs, and print a line of JSON about each."""
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    for job in jobs:
        os.environ["MASTER_PORT"] = str(job["port"])
        compiling.BACKEND = job.get("backend", compiling.BACKEND)
        cfg = compose(resolve_cell(**job["cell"]), **job["compose"])
        frozen = MeasureFrozen()
        hooks: list[Hook] = [SignalAt(job["signal"][1])] if job.get("signal") and job["signal"][0] == rank else []
        hooks += [frozen] if job.get("measures") else []
        told: dict[str, Any]
        try:
            teacher = find_teacher(job.get("teacher"), progress=False)
            result = train(
                cfg,
                device="cpu",
                resume=job.get("resume", False),
                teacher=teacher,
                hooks=[*hooks, frozen] if job.get("measures") else hooks,
            )
            told = {"finished": result is not None}
        except Interrupted as stop:
            told = {"interrupted": stop.iteration}
        except RsAdaptError as error:
            told = {"error": type(error).__name__, "text": str(error)}
        if job.get("measures"):
            told["held_bytes"] = frozen.held_bytes
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
