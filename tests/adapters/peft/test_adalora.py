"""AdaLoRA's schedule of ranks, driven by the training step."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from rs_adapt.adapters import PeftAdaLora, PeftAdapter, attach
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}
OPTIONS = {"init_r": 4, "target_r": 2, "deltaT": 1}


def built(make_vit: Callable[[], nn.Module], **knobs: object) -> nn.Module:
    torch.manual_seed(0)
    vit = make_vit()
    vit.adapter = PeftAdaLora(**FACTS, **{"total_iters": 20, "options": OPTIONS} | knobs)
    attach(vit.adapter, vit)
    return vit


def steps(vit: nn.Module, number: int, *, start: int = 0) -> None:
    optimizer = torch.optim.SGD(vit.adapter.adapter_params().values(), lr=0.1)
    for i in range(start, start + number):
        image = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(i))
        optimizer.zero_grad()
        vit(image).square().mean().backward()
        vit.adapter.before_step()
        optimizer.step()
        vit.adapter.after_step()


def test_ranks_fall_from_the_first_to_the_target(make_vit: Callable[[], nn.Module]) -> None:
    vit = built(make_vit)
    steps(vit, 2)
    assert set(vit.adapter.ranks().values()) == {4}
    steps(vit, 6, start=2)
    middle = sum(vit.adapter.ranks().values())
    steps(vit, 12, start=8)
    last = vit.adapter.ranks()
    # Eight branches: 32 entries at first, 16 at the end, spread as importance has it.
    assert 16 < middle < 32
    assert sum(last.values()) == 16


def test_a_copy_of_the_state_continues_identically(make_vit: Callable[[], nn.Module]) -> None:
    straight, parts = built(make_vit), built(make_vit)
    steps(straight, 12)
    steps(parts, 7)
    state = copy.deepcopy(parts.adapter.state_dict())
    resumed = built(make_vit)
    resumed.adapter.load_state_dict(state)
    steps(resumed, 5, start=7)
    for name, value in straight.adapter.state_dict().items():
        assert torch.equal(resumed.adapter.state_dict()[name], value), name


def test_penalty_equals_the_papers(make_vit: Callable[[], nn.Module]) -> None:
    vit = built(make_vit, options=OPTIONS | {"orth_reg_weight": 2.0})
    vit.adapter.before_step()
    a = vit.adapter.layers["0_attn_q"].layer.lora_A["default"]
    twin = a.detach().clone().requires_grad_()
    (2.0 * (twin @ twin.T - torch.eye(4)).norm() / 16).backward()
    torch.testing.assert_close(a.grad, twin.grad)
    assert vit.adapter.layers["0_attn_q"].layer.lora_E["default"].grad is None


def test_no_penalty_is_added_without_its_weight(make_vit: Callable[[], nn.Module]) -> None:
    vit = built(make_vit, options=OPTIONS | {"orth_reg_weight": 0.0})
    vit.adapter.before_step()
    assert all(p.grad is None for p in vit.adapter.adapter_params().values())


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.0, 1.0)])
def test_impossible_shares_are_refused(shares: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="sum below 1|first_share is -0.1; it must be from 0 to 1"):
        PeftAdaLora(**FACTS, total_iters=10, first_share=shares[0], last_share=shares[1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"total_step": 9}, "option total_step .*cannot be set: the schedule of ranks follows"),
        ({"tinit": 9}, "option tinit .*cannot be set"),
        ({"r": 4}, "option r .*cannot be set"),
        ({"init_r": 4, "target_r": 5}, "target_r is 5 and init_r 4"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PeftAdaLora(embed_dim=32, depth=4, mlp_dim=64, total_iters=20, options=options)


def test_the_plain_bridge_refuses_adalora() -> None:
    with pytest.raises(ConfigError, match="no kind 'adalora'"):
        PeftAdapter(**FACTS, kind="adalora")
