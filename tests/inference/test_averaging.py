"""The mean of tensors: known answers, types, and what has none."""

from __future__ import annotations

import torch

from rs_adapt.inference.averaging import _overrides_of_model, mean_of


def test_the_mean_is_weighted_and_keeps_its_type() -> None:
    first = {"w": torch.tensor([1.0, 2.0]), "h": torch.tensor([1.0], dtype=torch.float16), "n": torch.tensor(3)}
    second = {"w": torch.tensor([5.0, -2.0]), "h": torch.tensor([2.0], dtype=torch.float16), "n": torch.tensor(9)}
    mean = mean_of([first, second], [0.75, 0.25])
    assert mean is not None
    assert mean["w"].tolist() == [2.0, 1.0]
    assert (mean["h"].dtype, mean["h"].item()) == (torch.float16, 1.25)
    assert mean["n"].item() == 3


def test_equal_weights_stay_to_the_bit() -> None:
    value = torch.randn(50, generator=torch.Generator().manual_seed(0))
    mean = mean_of([{"w": value}, {"w": value}, {"w": value}], [1 / 3] * 3)
    assert mean is not None
    assert torch.equal(mean["w"], value)


def test_other_names_or_shapes_have_no_mean() -> None:
    value = torch.zeros(2)
    assert mean_of([{"w": value}, {"v": value}], [0.5, 0.5]) is None
    assert mean_of([{"w": value}, {"w": torch.zeros(3)}], [0.5, 0.5]) is None
    assert mean_of([{"w": value}, {"w": value, "v": value}], [0.5, 0.5]) is None


def test_settings_of_the_strategy_stay_with_the_members() -> None:
    texts = [
        "strategy.mix_weight=1.0",
        "optim.lr=1e-3",
        "model.mix_weight=0.3",
        "model.segmentor.backbone.adapter.rank=8",
        "model.decode_head.dropout_ratio=0.2",
        "bench.inference.crop_px=64",
    ]
    assert _overrides_of_model(texts) == [
        "model.backbone.adapter.rank=8",
        "model.decode_head.dropout_ratio=0.2",
        "bench.inference.crop_px=64",
    ]


def test_models_whose_gates_chose_differently_have_no_mean() -> None:
    first, second = ({"w": torch.ones(2), "active": torch.tensor([on, True])} for on in (True, False))
    assert mean_of([first, second], [0.5, 0.5]) is None
    assert mean_of([first, first], [0.5, 0.5]) is not None
