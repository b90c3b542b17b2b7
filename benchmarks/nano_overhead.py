"""What a training iteration or an evaluation of a small model costs beside its arithmetic.

    python benchmarks/nano_overhead.py                          # synthetic-da, with nano and its usual strategy
    python benchmarks/nano_overhead.py --iters 200 --bench synthetic-dg
    python benchmarks/nano_overhead.py --profile 25             # the functions with the most time of their own besides
    python benchmarks/nano_overhead.py --evaluation             # tiles of an evaluation in place of iterations

A real run of `rs_adapt.engine.train` and a bare loop take turns in one process: after each iteration of the run, the
same batch, already normalised, goes through a copy of its model: losses, backward pass, AdamW. Both are therefore under
the same load. With `--evaluation`, each tile of the run's evaluation (loader, prediction, metrics, hooks) is predicted
once more, already normalised, or twice where the evaluation compares student and teacher.
The share is the bare time over the run's time; 100 % would be a run without loader, hooks, schedule, log and checks.
Images are loaded in the process itself unless `--num-workers` says otherwise. CPU seconds are those of this process,
and on a busy machine the ones to compare.
"""

from __future__ import annotations

import argparse
import copy
import cProfile
import os
import pstats
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from mmengine.hooks import Hook

from rs_adapt.api.configuration import compose
from rs_adapt.engine.train import train

WARMUP_ITERS = 5


class Laps:
    """Wall and CPU seconds of a run's steps, and of the same arithmetic without it, in turns."""

    def __init__(self, profile: cProfile.Profile | None) -> None:
        self.profile = profile
        self.run_s: list[tuple[float, float]] = []
        self.bare_s: list[tuple[float, float]] = []
        self._began = (0.0, 0.0)

    def begin(self) -> None:
        """Begin a step of the run."""
        if self.profile is not None and len(self.run_s) >= WARMUP_ITERS:
            self.profile.enable()
        self._began = _now()

    def end_of_run(self) -> None:
        """End a step of the run."""
        if self.profile is not None:
            self.profile.disable()
        self.run_s.append(self._lap())

    def begin_bare(self) -> None:
        """Begin the same arithmetic."""
        self._began = _now()

    def end_of_bare(self) -> None:
        """End the same arithmetic, and begin the next step of the run."""
        self.bare_s.append(self._lap())
        self.begin()

    def _lap(self) -> tuple[float, float]:
        return tuple(after - before for after, before in zip(_now(), self._began, strict=True))  # type: ignore[return-value]


class Turns(Hook):  # type: ignore[misc]
    """Times the iterations of a run, and does the arithmetic of each again on a copy of the model."""

    # Behind all other hooks, whose time is the run's.
    priority = "LOWEST"

    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    def before_train(self, runner: Any) -> None:
        """Copy model and optimizer."""
        self.model: Any = copy.deepcopy(runner.model)
        names = {id(parameter): name for name, parameter in runner.model.named_parameters()}
        own = dict(self.model.named_parameters())
        groups = [
            {**group, "params": [own[names[id(parameter)]] for parameter in group["params"]]}
            for group in runner.optim_wrapper.optimizer.param_groups
        ]
        self.optimizer = torch.optim.AdamW(groups)

    def before_train_epoch(self, runner: Any) -> None:
        """Begin to measure the first iteration."""
        self.laps.begin()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """End one iteration of the run, do the same arithmetic, and begin the next one."""
        self.laps.end_of_run()
        data = self.model.data_preprocessor(data_batch, True)
        self.laps.begin_bare()
        losses = self.model(**data, mode="loss")
        loss = torch.stack([value for name, value in losses.items() if "loss" in name]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.laps.end_of_bare()


class EvaluationTurns(Hook):  # type: ignore[misc]
    """Times the tiles of a run's evaluation, and predicts each again with the same model."""

    priority = "LOWEST"

    def __init__(self, laps: Laps) -> None:
        self.laps = laps

    def before_val_epoch(self, runner: Any) -> None:
        """Begin to measure the first tile."""
        self.laps.begin()

    @torch.no_grad()
    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """End one tile of the run, predict it again, and begin the next one."""
        self.laps.end_of_run()
        data = runner.model.data_preprocessor(data_batch, False)
        self.laps.begin_bare()
        for _ in range(2 if "other_sem_seg" in outputs[0] else 1):
            runner.model(**data, mode="predict")
        self.laps.end_of_bare()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    """Measure, and print seconds and shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="synthetic-da")
    parser.add_argument("--iters", type=int, default=60)
    parser.add_argument("--num-workers", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the configuration")
    parser.add_argument("--profile", type=int, default=0, help="functions to list")
    parser.add_argument("--evaluation", action="store_true", help="measure an evaluation")
    args = parser.parse_args()
    warmup = ["strategy.warmup_iters=0"] if args.bench.endswith("-da") else []
    profile = cProfile.Profile() if args.profile else None
    laps = Laps(profile)
    turns = EvaluationTurns(laps) if args.evaluation else Turns(laps)
    iters = 1 if args.evaluation else args.iters + WARMUP_ITERS
    with tempfile.TemporaryDirectory() as folder:
        cfg = compose(
            args.bench,
            iters=iters,
            num_workers=args.num_workers,
            work_dir=Path(folder) / "run",
            overrides=[*warmup, f"bench.schedule.eval_every={iters}", *args.set],
        )
        # What is not measured has few tiles.
        evaluated = (cfg.val_dataloader, cfg.monitor.source_val, cfg.monitor.label_free)
        for loader in (cfg.test_dataloader, *(() if args.evaluation else evaluated)):
            if loader is not None:
                loader.dataset.spread = 2
        train(cfg, device="cpu", hooks=[turns])
    what = f"{len(laps.run_s)} tiles" if args.evaluation else f"{args.iters} iterations"
    print(f"{args.bench}, {what}, {torch.get_num_threads()} thread(s), {args.num_workers} workers")
    for column, kind in enumerate(("wall", "CPU")):
        run, bare = ([both[column] for both in times[WARMUP_ITERS:]] for times in (laps.run_s, laps.bare_s))
        shares = [after / before for before, after in zip(run, bare, strict=True)]
        print(
            f"{kind}: run {_words(run, 1e3)} ms, bare {_words(bare, 1e3)} ms, share of medians "
            f"{100 * statistics.median(bare) / statistics.median(run):.1f} %, by iteration {_words(shares, 100)} %"
        )
    if profile is not None:
        pstats.Stats(profile).sort_stats("tottime").print_stats(args.profile)
        pstats.Stats(profile).sort_stats("cumtime").print_stats(2 * args.profile)


def _words(values: list[float], factor: float) -> str:
    middle = statistics.quantiles(values, n=4)
    return f"{factor * statistics.median(values):.1f} ({factor * middle[0]:.1f} to {factor * middle[2]:.1f})"


if __name__ == "__main__":
    main()
