from __future__ import annotations

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

from rs_adapt.cost.valueless import assume_values, drop_values


def make_layer() -> nn.Linear:
    with torch.device("meta"):
        layer = nn.Linear(3, 2)
    layer.bias.requires_grad_(False)
    drop_values(layer)
    return layer


def test_tensors_keep_their_identity_and_what_trains() -> None:
    with torch.device("meta"):
        model = nn.ModuleDict({"one": nn.Linear(3, 3), "norm": nn.BatchNorm1d(3)})
    model["two"] = model["one"]
    weight = model["one"].weight
    model["one"].bias.requires_grad_(False)
    drop_values(model)
    assert model["two"].weight is weight
    assert isinstance(weight, FakeTensor)
    assert isinstance(weight, nn.Parameter)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == [
        "one.weight",
        "norm.weight",
        "norm.bias",
    ]
    assert isinstance(model["norm"].running_mean, FakeTensor)


def test_questions_about_values_are_answered_for_fake_tensors() -> None:
    layer = make_layer()
    with assume_values(layer, num_classes=5):
        y_B2 = layer(torch.zeros(4, 3))
        assert y_B2.sum().item() == 1.0
        assert bool(torch.isfinite(y_B2).all())
        assert y_B2.detach().numpy().tolist() == [[0.0, 0.0]] * 4
        assert y_B2[y_B2 > 0].shape == (8,)
        assert (y_B2 > 0).nonzero().shape == (8, 2)


def test_what_real_labels_say_is_true() -> None:
    layer, labels_B = make_layer(), torch.tensor([0, 1, 255, 1])
    with assume_values(layer, num_classes=5):
        y_B2 = layer(torch.zeros(4, 3))
        assert y_B2[labels_B != 255].shape == (3, 2)
        assert labels_B.unique().tolist() == [0, 1, 255]
        assert not bool((labels_B == 7).any())
