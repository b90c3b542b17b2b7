"""Attaching an adapter: it refuses a method whose trainable parameters are not those that it lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, attach

MakeViT = Callable[[], nn.Module]


def test_attach_names_undeclared_parameter(make_vit: MakeViT) -> None:
    class Careless(Adapter):
        def wrap(self, vit: nn.Module) -> None:
            vit.extra = nn.Linear(2, 2)

    with pytest.raises(AssertionError, match=r"extra\.weight"):
        attach(Careless(), make_vit())


def test_attach_names_frozen_parameter(make_vit: MakeViT) -> None:
    class Idle(Adapter):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1), requires_grad=False)

    with pytest.raises(AssertionError, match="gain"):
        attach(Idle(), make_vit())


def test_attach_accepts_a_wrapping_method(make_vit: MakeViT) -> None:
    class Branch(nn.Module):
        def __init__(self, base: nn.Linear) -> None:
            super().__init__()
            self.base, self.gain = base, nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.gain

    class Bias(Adapter):
        def wrap(self, vit: nn.Module) -> None:
            branch = Branch(vit.blocks[0].attn_q)
            vit.blocks[0].replace("attn_q", branch)
            self.register_parameter("gain", branch.gain)

    vit, adapter = make_vit(), Bias()
    attach(adapter, vit)
    assert [name.rpartition(".")[2] for name, p in vit.named_parameters() if p.requires_grad] == ["gain"]
    assert list(adapter.adapter_params()) == ["gain"]
