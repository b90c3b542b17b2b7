"""`runtime.pin_memory`: how batches reach a GPU; the samples, and whether a run can be resumed, do not depend on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.model import BaseDataPreprocessor

from rs_adapt.api.configuration import compose
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import result_settings
from rs_adapt.engine.runner import build_runner
from rs_adapt.errors import ConfigError
from rs_adapt.registry import load_libraries


@pytest.mark.parametrize("pins", [False, True])
def test_batches_are_pinned_and_copied_without_a_wait(
    tiny_cell: Callable[..., ResolvedConfig], tmp_path: Path, pins: bool
) -> None:
    cfg = tiny_cell("da")
    cfg.runtime.pin_memory = pins
    (tmp_path / "run").mkdir()
    load_libraries(cfg.default_scope)
    runner: Any = build_runner(cfg, [])
    loader = runner.build_dataloader(runner.train_dataloader, seed=0)
    assert loader.pin_memory is pins
    preprocessors = [module for module in runner.model.modules() if isinstance(module, BaseDataPreprocessor)]
    # That of the strategy, and that of the segmentor, which copies.
    assert [module._non_blocking for module in preprocessors] == [pins] * 2
    # What is stored of the run stays as it was composed.
    assert "pin_memory" not in cfg.train_dataloader


def test_an_interrupted_run_may_go_on_with_it() -> None:
    settings = [
        result_settings(compose("synthetic-da", overrides=overrides, work_dir="work_dirs/none").pretty_text, file="")
        for overrides in ((), ("runtime.pin_memory=True",))
    ]
    assert settings[0] == settings[1]


def test_other_values_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"runtime\.pin_memory"):
        compose("synthetic-da", overrides=["runtime.pin_memory=always"], work_dir="work_dirs/none")
