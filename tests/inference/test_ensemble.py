"""Several models on one backbone: the frozen base once in memory, and the mean of the probabilities."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.build import build_model
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.inference.ensemble import Ensemble, share_base
from rs_adapt.inference.predictor import Predictor
from rs_adapt.registry import load_libraries


def make_predictor(method: str, seed: int) -> Predictor:
    cell = resolve_cell("synthetic-dg", backbone="dinov2_nano", head="linear", method=method)
    cfg = compose(cell, overrides=("bench.crop_px=48", "bench.tile_px=64"), weights="random")
    load_libraries(cfg.default_scope)
    torch.manual_seed(seed)
    predictor = Predictor(build_model(cfg))
    for parameter in predictor.model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.05)
    return predictor


def bytes_of_base(*members: Predictor) -> int:
    tensors = {p.data_ptr(): p for member in members for p in member.model.backbone.base_parameters().values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def test_the_frozen_base_is_held_once_and_the_mean_is_that_of_the_members() -> None:
    members = [make_predictor("lora", 1), make_predictor("lora", 2), make_predictor("bitfit", 3)]
    tiles_NHW3 = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 3)).astype(np.uint8)
    alone = [member.predict_tiles(tiles_NHW3) for member in members]
    assert np.abs(alone[0] - alone[1]).max() > 1e-3
    single = bytes_of_base(members[0])
    assert bytes_of_base(*members) == 3 * single

    share_base([member.model.backbone for member in members])

    first, second, biases = (member.model.backbone.base_parameters() for member in members)
    assert all(first[name].data_ptr() == second[name].data_ptr() for name in first)
    own = {name for name in first if first[name].data_ptr() != biases[name].data_ptr()}
    assert own == {name for name, parameter in biases.items() if parameter.requires_grad}
    assert bytes_of_base(*members[:2]) == single
    # The members predict as they did, and their bases still have their hash.
    assert len({member.model.backbone.base_sha256() for member in members[:2]}) == 1
    for member, before in zip(members, alone, strict=True):
        assert np.array_equal(member.predict_tiles(tiles_NHW3), before)
    averaged = Ensemble(members)
    assert np.allclose(averaged.predict_tiles(tiles_NHW3), np.mean(alone, axis=0), atol=1e-6)
    assert averaged.numerics == ("fp32", "cpu") * 3
    flips = [member.predict_tiles(tiles_NHW3, tta="flips") for member in members]
    assert np.allclose(averaged.predict_tiles(tiles_NHW3, tta="flips"), np.mean(flips, axis=0), atol=1e-6)
    # Tensors that differ are not shared.
    strange = make_predictor("lora", 4)
    with torch.no_grad():
        for parameter in strange.model.backbone.base_parameters().values():
            parameter.add_(1)
    assert share_base([members[0].model.backbone, strange.model.backbone]) == 0


def test_models_of_different_classes_are_refused() -> None:
    first, second = make_predictor("lora", 1), make_predictor("lora", 2)
    second.model.decode_head.num_classes = 3
    with pytest.raises(CheckpointMismatch, match=r"cannot be averaged: num_classes is 6 and 3"):
        Ensemble([first, second])
