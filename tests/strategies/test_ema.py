"""The teacher's weights: the ramp by hand, only what trains, and a way through the state dict."""

from __future__ import annotations

import contextlib

import torch
from torch import nn

from rs_adapt.strategies import EmaWeights


def network() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    return model


def test_averages_follow_only_trained_parameters() -> None:
    ema = EmaWeights(network())
    assert sorted(ema.weights()) == ["1.bias", "1.weight"]


def test_ramp_and_constant_decay_equal_a_hand_computation() -> None:
    model = network()
    ema = EmaWeights(model)
    expected = None
    for iteration, value in enumerate([1.0, 3.0, 8.0, 0.0]):
        nn.init.constant_(model[1].bias, value)
        ema.update(model, iteration, decay=0.6)
        # a = 0, 1/2, 0.6 (not 2/3), 0.6
        expected = {0: 1.0, 1: 2.0, 2: 0.6 * 2.0 + 0.4 * 8.0, 3: 0.6 * 4.4}[iteration]
        torch.testing.assert_close(ema.weights()["1.bias"], torch.tensor([expected]))


def test_state_dict_has_the_teacher() -> None:
    model = network()
    ema = EmaWeights(model)
    nn.init.constant_(model[1].bias, 5.0)
    other = EmaWeights(model)
    other.load_state_dict(ema.state_dict())
    assert torch.equal(other.weights()["1.bias"], ema.weights()["1.bias"])
    assert not torch.equal(other.weights()["1.bias"], model[1].bias)


def test_averages_get_no_gradient_and_are_not_parameters() -> None:
    ema = EmaWeights(network())
    assert not list(ema.parameters())
    assert not any(value.requires_grad for value in ema.weights().values())


def test_student_and_teacher_are_swapped_and_restored() -> None:
    model = network()
    ema = EmaWeights(model)
    nn.init.constant_(model[1].bias, 5.0)
    teacher, frozen = ema.weights()["1.bias"].clone(), model[0].weight.clone()
    with ema.swap(model):
        assert torch.equal(model[1].bias, teacher)
        assert torch.equal(ema.weights()["1.bias"], torch.tensor([5.0]))
    assert torch.equal(model[1].bias, torch.tensor([5.0]))
    assert torch.equal(ema.weights()["1.bias"], teacher)
    assert torch.equal(model[0].weight, frozen)


def test_weights_are_back_after_an_error() -> None:
    model = network()
    ema = EmaWeights(model)
    nn.init.constant_(model[1].bias, 5.0)
    with contextlib.suppress(KeyError), ema.swap(model):
        raise KeyError
    assert torch.equal(model[1].bias, torch.tensor([5.0]))
