"""A gate says of itself what its host says: rates, decay, starts."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rs_adapt.adapters import attach
from rs_adapt.adapters.contract.nested import build_within
from rs_adapt.engine.param_groups import own_lr_mult
from tests.adapters.test_gate import BRANCH, FACTS, HOSTS, MakeViT, gated


@pytest.mark.parametrize(
    "host",
    [
        {"type": "rs_adapt.RecycleLora", "main_rank": 2, "sub_rank": 1},
        {"type": "rs_adapt.PeftAdapter", "kind": "lora", "options": {"r": 4}, "b_lr_mult": 16.0},
        {"type": "rs_adapt.PeftAdapter", "kind": "lora", "options": {"r": 4, "init_lora_weights": "eva"}},
        {"type": "rs_adapt.Stack", "adapters": {"dora": HOSTS["dora"], "adaptformer": BRANCH}},
    ],
)
def test_rates_decay_and_starts_are_those_of_the_host(make_vit: MakeViT, host: dict[str, Any]) -> None:
    torch.manual_seed(0)
    plain = make_vit()
    plain.adapter = build_within("test", host, FACTS)
    attach(plain.adapter, plain)
    vit, _ = gated(make_vit(), host, k=1)
    gate = vit.adapter

    def settings(adapter: Any, prefix: str) -> dict[str, Any]:
        return {
            name.removeprefix(prefix): (
                own_lr_mult(name, adapter.lr_mults),
                any(part in name for part in adapter.no_decay),
                any(part in name for part in adapter.zero_grad_at_init),
            )
            for name in adapter.adapter_params()
        }

    assert settings(gate, "host.") == settings(plain.adapter, "")
    assert gate.needs_images == plain.adapter.needs_images
    if gate.needs_images:
        before = {name: p.detach().clone() for name, p in gate.adapter_params().items()}
        images = [torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(i)) for i in range(4)]
        gate.start_from_images(vit, images)
        assert any(not torch.equal(before[name], p) for name, p in gate.adapter_params().items())
