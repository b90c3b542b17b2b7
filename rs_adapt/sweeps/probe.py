"""Measurement of a cell by a few iterations: seconds, memory and bytes. Run as `python -m rs_adapt.sweeps.probe`.

The run is real, with checks, loaders, strategy and scoring, in a temporary folder; only the scored sets are limited to
a few batches each. Torch is loaded in the measuring process only.
"""

from __future__ import annotations

import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config.cell import Cell
from rs_adapt.config.tasks import SUPER_RESOLUTION, task_of
from rs_adapt.errors import RsAdaptError
from rs_adapt.launching import module_path, python_command, run_and_wait, watch_parent

if TYPE_CHECKING:
    from mmengine.runner import Runner

    from rs_adapt.config.resolved import ResolvedConfig

# The first iteration does not count: it allocates memory and starts the loaders.
WARMUP_ITERS, MEASURED_ITERS = 1, 3
# Sizes of the scored sets: six tiles where a batch has one, three whole batches elsewhere; the first batch does
# not count.
_TILES, _BATCHES = 6, 3
# The time to start the program, torch included, is part of a cell's time.
_STARTED_S = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The measurements of a probe.

    Args:
        iter_s: Seconds of a training iteration, median of three; 0 where nothing is trained.
        tile_s: Seconds to score an image of the scored sets, a tile in segmentation; 0 where a run scores none.
        start_s: Seconds from the start of the program to the first iteration, checks of the data included, but not the
            time to make data that are made once.
        memory_mib: Peak memory; see `memory_of`.
        memory_of: `GPU` (memory allocated by torch) or `process` (resident memory of the training process on a CPU).
        pack_bytes: Size of the adapter pack.
        state_bytes: Size of the training state.
        tiles: Number of tiles of the whole sets by role: `val`, `test`, `source_val`, `label_free`.
    """

    iter_s: float
    tile_s: float
    start_s: float
    memory_mib: int
    memory_of: str
    pack_bytes: int
    state_bytes: int
    tiles: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class _Order:
    """The arguments of `probe`, for the process that measures."""

    cell: Cell
    overrides: Sequence[str]
    data_root: str | None
    weights: str | None


def probe(
    cell: Cell,
    *,
    overrides: tuple[str, ...],
    data_root: str | None,
    weights: str | None,
    env: Mapping[str, str],
    timeout_s: float | None = None,
) -> Measured | str:
    """Measure a cell in a new process, or return the reason why it cannot be measured.

    Args:
        cell: The names.
        overrides: `key=value` texts of the cell.
        data_root: Folder of the data, as for `train`.
        weights: Base weights, as for `train`.
        env: The environment of the process.
        timeout_s: Seconds after which the probe is stopped; None for no limit.
    """
    order = _Order(cell=cell, overrides=overrides, data_root=data_root, weights=weights)
    try:
        code, output, errors = run_and_wait(
            python_command("rs_adapt.sweeps.probe"),
            env=module_path() | dict(env),
            text=json.dumps(asdict(order)),
            timeout_s=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {timeout_s:.0f} s"
    try:
        content = json.loads(output.splitlines()[-1])
        return str(content["error"]) if "error" in content else Measured(**content)
    except (IndexError, ValueError, TypeError):
        lines = [line for line in errors.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"the probe ended with code {code}"


def _measure(order: _Order, folder: Path) -> Measured:
    from rs_adapt.config import axes, compose
    from rs_adapt.engine.build import prepare_data
    from rs_adapt.registry import load_libraries, quiet_libraries
    from rs_adapt.runs.files import TENSORS_FILE
    from rs_adapt.runs.run import Run

    iters = WARMUP_ITERS + MEASURED_ITERS
    cell = order.cell
    length = [f"bench.schedule.iters={iters}", f"bench.schedule.eval_every={iters}"]
    if "warmup_iters" in axes.strategy_facts(cell.strategy):
        # Iterations cost less during the warm-up.
        length.append("strategy.warmup_iters=0")
    cfg = compose(
        cell,
        overrides=[*order.overrides, *length],
        data_root=order.data_root,
        weights=order.weights,
        work_dir=folder / "run",
    )
    with quiet_libraries():
        load_libraries(cfg.default_scope)
        began_s = time.monotonic()
        prepare_data(cfg)
        made_s = time.monotonic() - began_s
        tiles = _limit_tiles(cfg)
    batch_size = min(cfg.test_dataloader.batch_size, tiles["test"]) if cfg.test_dataloader else 1
    clock = _make_clock(folder / "run", batch_size=batch_size)
    _train(cfg, clock)
    memory_mib, memory_of = _memory()
    steps = [line.iter_s for line in Run.read(folder / "run").training_lines if line.iter_s is not None][WARMUP_ITERS:]
    return Measured(
        iter_s=round(statistics.median(steps), 4) if steps else 0.0,
        tile_s=round(clock.tile_s, 4),
        start_s=round(clock.first_s - made_s - _STARTED_S, 1),
        memory_mib=memory_mib,
        memory_of=memory_of,
        pack_bytes=(folder / "run" / TENSORS_FILE).stat().st_size,
        state_bytes=clock.state_bytes,
        tiles=tiles,
    )


def _train(cfg: ResolvedConfig, clock: Any) -> None:
    from rs_adapt.engine.super_resolution import train_flow
    from rs_adapt.engine.train import train

    if task_of(cfg.bench).name == SUPER_RESOLUTION:
        # Its validation is optional, and a method without parameters has neither training nor validation.
        train_flow(cfg, hooks=[clock], on_progress=clock.after_batch)
    else:
        train(cfg, hooks=[clock])


def _limit_tiles(cfg: ResolvedConfig) -> dict[str, int]:
    """Limit each set that is scored to a few batches, and return the sizes of the whole sets."""
    from rs_adapt.datasets.prepare_flow import digest_flow
    from rs_adapt.registry import DATASETS

    monitor = cfg.get("monitor") or {}
    # Super-resolution on files of your own may do without a validation.
    is_flow = task_of(cfg.bench).name == SUPER_RESOLUTION
    has_val = not is_flow or bool(digest_flow(Path(cfg.prepared_dir), "val"))
    loaders = {
        "val": cfg.val_dataloader if has_val else None,
        "test": cfg.test_dataloader,
        "source_val": monitor.get("source_val"),
        "label_free": monitor.get("label_free"),
    }
    sizes = {}
    for role, loader in loaders.items():
        if loader is not None:
            sizes[role] = len(DATASETS.build(loader.dataset))
            loader.dataset.spread = _TILES if loader.batch_size == 1 else _BATCHES * loader.batch_size
    return sizes


def _make_clock(run_dir: Path, *, batch_size: int) -> Any:
    from mmengine.hooks import Hook

    from rs_adapt.engine.flow_loop import SCORING
    from rs_adapt.runs.files import STATE_FILE

    class Clock(Hook):  # type: ignore[misc]
        """Record times that the metrics do not have, and the size of the training state before it is deleted."""

        first_s = 0.0
        state_bytes = 0

        def __init__(self) -> None:
            # The start, then the time at the end of each batch and its number of images.
            self.batches: list[tuple[float, int]] = []

        @property
        def tile_s(self) -> float:
            """Seconds to score an image; the first batch only starts the clock, unless it is the only one."""
            if len(self.batches) < 2:
                return 0.0
            (began_s, _), *timed = self.batches[-2:] if len(self.batches) == 2 else self.batches[1:]
            return (timed[-1][0] - began_s) / sum(count for _, count in timed)

        def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
            self.first_s = self.first_s or time.monotonic()

        def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
            self.batches = self.batches or [(time.monotonic(), 0)]

        def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
            self.batches.append((time.monotonic(), len(outputs)))

        def after_batch(self, what: str, done: int, total: int) -> None:
            """Count the batches of the final scores of super-resolution instead of those of its validation."""
            if what != SCORING:
                return
            self.first_s = self.first_s or time.monotonic()
            if done == 0:
                self.batches.clear()
            self.batches.append((time.monotonic(), batch_size))

        def after_train(self, runner: Runner) -> None:
            self.state_bytes = (run_dir / STATE_FILE).stat().st_size

    return Clock()


def _memory() -> tuple[int, str]:
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated() // 2**20), "GPU"
    # Kibibytes on Linux, bytes on macOS.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit), "process"


def main() -> None:
    """Measure the order on stdin; print the measurements or the error as the last line of stdout."""
    watch_parent()
    arguments = json.loads(sys.stdin.read())
    order = _Order(**arguments | {"cell": Cell(**arguments["cell"])})
    content: dict[str, object]
    with tempfile.TemporaryDirectory(prefix="rs-adapt-plan-") as folder, contextlib.redirect_stdout(sys.stderr):
        try:
            content = asdict(_measure(order, Path(folder)))
        except RsAdaptError as error:
            content = {"error": str(error)}
    print(json.dumps(content))


if __name__ == "__main__":
    main()
