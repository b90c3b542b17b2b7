"""Weights that a run stores and reads: those of a fine-tuned backbone, and base weights once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rs_adapt.backbones import weights
from rs_adapt.backbones.reading import read_tensors
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.train import train


def test_full_fine_tuning_stores_the_backbone_in_its_pack(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", iters=1)
    names = set()
    for method in ("full", "frozen"):
        cell = resolve_cell("loveda-dg", backbone="dinov2-nano", head="linear", method=method)
        made = compose(
            cell,
            overrides=cfg.origin.overrides,
            data_root=cfg.data_root,
            work_dir=tmp_path / method,
        )
        train(made, device="cpu")
        names.add(
            (method, any(name.startswith("backbone.") for name in load_file(tmp_path / method / "adapter.safetensors")))
        )
    assert names == {("full", True), ("frozen", False)}


def test_base_weights_are_read_once(tiny_cell, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []

    def read(file: Path) -> dict[str, torch.Tensor]:
        reads.append(file)
        return read_tensors(file)

    monkeypatch.setattr(weights, "read_tensors", read)
    train(tiny_cell("da", iters=1), device="cpu")
    assert [file.name for file in reads] == ["dinov2_nano.safetensors"]
