"""Images that a method starts from: those of the first iterations, of both regions, for new runs alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import PeftAdapter
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.engine.image_start import start_from_images
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.runner import build_runner
from rs_adapt.registry import load_libraries


@pytest.mark.parametrize(("setting", "regions"), [("da", 2), ("dg", 1)])
def test_images_are_those_that_training_sees(
    tiny_cell: Callable[..., ResolvedConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    regions: int,
) -> None:
    shown: list[list[Tensor]] = []
    monkeypatch.setattr(PeftAdapter, "start_from_images", lambda self, vit, images: shown.append(list(images)))
    cfg = tiny_cell(setting, method="peft:eva")
    (tmp_path / "run").mkdir()
    load_libraries(cfg.default_scope)
    runner: Any = build_runner(cfg, [])
    start_from_images(runner, is_new=False)
    assert shown == []
    start_from_images(runner, is_new=True)
    (images,) = shown
    assert [tuple(batch.shape) for batch in images] == [(2, 3, 64, 64)] * 8 * regions
    # The training's own place in its stream of samples does not move.
    loader = runner.build_dataloader(cfg.train_dataloader, seed=runner.seed)
    first = segmentor_of(runner.model).data_preprocessor
    batch = next(iter(loader))
    source = first(batch["source"] if setting == "da" else batch, True)["inputs"]
    assert torch.equal(source, images[0])


def test_each_of_several_processes_sees_the_images_of_all_and_starts_as_rank_zero(
    tiny_cell: Callable[..., ResolvedConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Tensor] = []
    monkeypatch.setattr(PeftAdapter, "start_from_images", lambda self, vit, images: shown.extend(images))
    taken: list[Tensor] = []
    monkeypatch.setattr("rs_adapt.engine.image_start.gather_images", lambda mine: torch.cat([mine, mine + 1]))
    monkeypatch.setattr("rs_adapt.engine.image_start.take_from_rank_zero", taken.extend)
    cfg = tiny_cell("dg", method="peft:eva")
    (tmp_path / "run").mkdir()
    load_libraries(cfg.default_scope)
    runner: Any = build_runner(cfg, [])
    start_from_images(runner, is_new=True)
    assert [len(batch) for batch in shown] == [4] * 8
    started = {id(tensor) for tensor in taken}
    assert {id(tensor) for tensor in segmentor_of(runner.model).backbone.adapter.parameters()} <= started


def test_other_methods_start_as_they_are(tiny_cell: Callable[..., ResolvedConfig], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    cfg = tiny_cell("dg", method="peft:lora")
    load_libraries(cfg.default_scope)
    runner: Any = build_runner(cfg, [])
    runner.build_dataloader = lambda *_args, **_settings: pytest.fail("no image is read")
    start_from_images(runner, is_new=True)
