"""One of two processes that train cells together: `python one_of_two.py JOBS.json`, with RANK and WORLD_SIZE set.

Each job has `cell` and `compose` (arguments), `port`, and maybe `resume`, `signal` (rank and iteration) and `teacher`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from rs_adapt.api.teaching import find_teacher
from rs_adapt.config import compose, resolve_cell
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


def main(jobs: list[dict[str, Any]]) -> None:
    """Do all jobs, and print a line of JSON about each."""
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    for job in jobs:
        os.environ["MASTER_PORT"] = str(job["port"])
        cfg = compose(resolve_cell(**job["cell"]), **job["compose"])
        hooks = [SignalAt(job["signal"][1])] if job.get("signal") and job["signal"][0] == rank else []
        told: dict[str, Any]
        try:
            teacher = find_teacher(job.get("teacher"), progress=False)
            result = train(cfg, device="cpu", resume=job.get("resume", False), teacher=teacher, hooks=hooks)
            told = {"finished": result is not None}
        except Interrupted as stop:
            told = {"interrupted": stop.iteration}
        except RsAdaptError as error:
            told = {"error": type(error).__name__, "text": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
