"""A composed configuration remembers what it was composed from, and copies of it do too."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from rs_adapt.config import compose, resolve_cell


def test_origin_of_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base.safetensors").touch()
    cell = resolve_cell("synthetic-da")
    cfg = compose(cell, overrides=["optim.lr=1e-4"], iters=7, weights="base.safetensors")
    assert cfg.origin.overrides == ("bench.schedule.iters=7", "optim.lr=1e-4")
    assert cfg.origin.weights == str(tmp_path / "base.safetensors")
    assert not cfg.is_changed
    assert "origin" not in cfg.to_dict()
    changed = copy.deepcopy(cfg)
    changed.optim.lr = 1.0
    assert changed.origin == cfg.origin
    assert changed.is_changed
    assert not cfg.is_changed
    assert compose(cell).origin.weights is None
    assert compose(cell, weights="random").origin.weights == "random"
