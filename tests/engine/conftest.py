"""A small cell that trains within seconds on a CPU."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.resolved import ResolvedConfig

# Strategies without a phase on the source alone.
NO_WARMUP = ("source-free", "distill")
Make = Callable[..., ResolvedConfig]
TrainedOnce = Callable[[str, Callable[[], object]], Path]


@pytest.fixture
def tiny_cell(loveda_root: Path, tmp_path: Path) -> Make:
    """Return a function that composes the configuration of a small LoveDA cell."""

    def make(
        setting: str = "da",
        *,
        direction: str | None = None,
        run: str = "run",
        iters: int = 6,
        head: str = "linear",
        strategy: str | None = None,
        method: str | None = None,
        backbone: str = "dinov2-nano",
        seed: int = 0,
        protocol: str | None = None,
        overrides: tuple[str, ...] = (),
    ) -> ResolvedConfig:
        cell = resolve_cell(
            f"loveda-{setting}",
            direction=direction,
            backbone=backbone,
            head=head,
            strategy=strategy,
            method=method,
            seed=seed,
            protocol=protocol,
        )
        texts = [
            "bench.tile_px=64",
            "bench.partial=true",
            "bench.crop_px=64",
            "bench.inference.mode='whole'",
            f"bench.schedule.iters={iters}",
            "bench.schedule.eval_every=3",
            f"bench.schedule.batch_size.{setting}=2",
            "runtime.num_workers=0",
            "protocol.label_free_tiles=2",
            *([f"strategy.warmup_iters={min(1, iters - 1)}"] if setting == "da" and strategy not in NO_WARMUP else []),
            *overrides,
        ]
        return compose(cell, overrides=texts, data_root=loveda_root, work_dir=tmp_path / run)

    return make


@pytest.fixture(scope="module")
def trained_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the runs that several tests of a file start from are kept."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def trained_once(trained_runs: Path, tmp_path: Path) -> TrainedOnce:
    """Return a function that gives a run in `tmp_path / name`: trained for the first test of a file, then a copy.

    The data of all tests are the same; that a copy names the folders of the first test is no matter for a run.
    """

    def give(name: str, train: Callable[[], object]) -> Path:
        folder, kept = tmp_path / name, trained_runs / name
        if kept.is_dir():
            shutil.copytree(kept, folder)
        else:
            train()
            shutil.copytree(folder, kept)
        return folder

    return give
