"""Masked feature rebuilding: what is hidden, what the rebuilder may look at, and that only it and the encoder learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.backbones.features import Features
from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies.rebuilding import FeatureRebuilder

QUERIES = torch.ones(2, 3)


def features(seed: int = 0) -> Features:
    generator = torch.Generator().manual_seed(seed)
    return Features([torch.randn(2, 40, 4 * s, 6 * s, generator=generator) for s in (4, 2, 1)], QUERIES)


def rebuilder(ratio: float, hidden: Tensor | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> Any:
    torch.manual_seed(0)
    made = FeatureRebuilder(40, ratio=ratio, num_maps=3)
    if hidden is not None:
        assert monkeypatch is not None
        monkeypatch.setattr(made, "draw", lambda _: hidden)
    return made


def test_visible_places_stay_and_hidden_ones_are_rebuilt_on_all_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    hidden[0, 0, 1, 2] = hidden[1, 0, 3, 5] = True
    found = rebuilder(0.4, hidden, monkeypatch)(features())
    assert found.queries is QUERIES
    for before, after in zip(features(), found, strict=True):
        scale = before.shape[-1] // 6
        large = hidden.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
        same = (before == after).all(dim=1, keepdim=True)
        assert torch.equal(same, ~large)


def test_a_rebuilt_place_depends_on_the_visible_ones_and_not_on_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = torch.zeros(2, 1, 4, 6, dtype=torch.bool)
    hidden[:, :, 1, 2] = True
    made = rebuilder(0.4, hidden, monkeypatch)
    first = made(features())
    changed = features()
    for level, map_BDhw in enumerate(changed):
        scale = (4, 2, 1)[level]
        map_BDhw[:, :, scale : 2 * scale, 2 * scale : 3 * scale] += 100
    for one, two in zip(first, made(changed), strict=True):
        assert torch.equal(one, two)
    far = features()
    far[-1][:, :, 3, 5] += 1
    assert not torch.allclose(first[-1][:, :, 1, 2], made(far)[-1][:, :, 1, 2])


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_ends_of_the_ratio(ratio: float) -> None:
    for before, after in zip(features(), rebuilder(ratio)(features()), strict=True):
        assert (before == after).float().mean() == 1 - ratio


def test_draws_are_for_each_place_and_image() -> None:
    hidden = rebuilder(0.4).draw(torch.zeros(50, 8, 20, 20))
    assert hidden.shape == (50, 1, 20, 20)
    assert hidden.float().mean() == pytest.approx(0.4, abs=0.02)
    assert not torch.equal(hidden[0], hidden[1])


def test_the_segmentor_has_nothing_of_it_and_the_strategy_trains_all_of_it(
    tiny: Callable[..., Any], batch: Callable[..., Any]
) -> None:
    plain, names = tiny(), set(tiny().state_dict())
    model = SelfTraining(segmentor=plain, warmup_iters=0, rebuild_weight=1.0)
    assert set(model.segmentor.state_dict()) == names
    assert not [name for name in model.ema.weights() if "rebuild" in name]
    loss, _ = model.parse_losses(model(**model.data_preprocessor(batch(), True), mode="loss"))
    loss.backward()
    for name, parameter in model.rebuilder.named_parameters():
        # All keys get this bias alike, which the softmax takes out again, up to rounding.
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert SelfTraining(segmentor=tiny(), warmup_iters=0).rebuilder is None
