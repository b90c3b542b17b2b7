"""A small cell that trains within seconds on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.resolved import ResolvedConfig

# Strategies without a phase on the source alone.
NO_WARMUP = ("source-free", "distill")
Make = Callable[..., ResolvedConfig]


@pytest.fixture
def tiny_cell(loveda_root: Path, tmp_path: Path) -> Make:
    """Return a function that composes the configuration of a small LoveDA cell."""

    def make(
        setting: str = "da",
        *,
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
