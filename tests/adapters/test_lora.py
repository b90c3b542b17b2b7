"""LoRA against its formula and against peft's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from rs_adapt.adapters import AdaptFormer, Lora, PeftAdapter, attach
from rs_adapt.errors import ConfigError


def lora(**knobs: object) -> Lora:
    return Lora(embed_dim=32, depth=4, mlp_dim=64, **knobs)


def trained(adapter: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in adapter.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.1)


def test_output_follows_the_formula(make_vit: Callable[[], nn.Module]) -> None:
    vit, adapter = make_vit(), lora(rank=3, alpha=6.0, targets=("fc1",))
    base = vit.blocks[2].fc1
    attach(adapter, vit)
    trained(adapter)
    x = torch.randn(2, 5, 32)
    change = adapter.blocks[2]["fc1"]
    expected = x @ base.weight.T + base.bias + 2.0 * (x @ change.down.T) @ change.up.T
    torch.testing.assert_close(vit.blocks[2].fc1(x), expected)


def test_output_equals_pefts(make_vit: Callable[[], nn.Module]) -> None:
    ours, theirs = make_vit(), make_vit()
    ours.adapter = lora(rank=4, alpha=8.0, targets=("attn_q", "fc2"))
    theirs.adapter = PeftAdapter(
        embed_dim=32,
        depth=4,
        mlp_dim=64,
        kind="lora",
        targets=("attn_q", "fc2"),
        options={"r": 4, "lora_alpha": 8},
    )
    for vit in (ours, theirs):
        attach(vit.adapter, vit)
    trained(ours.adapter)
    for layer, handle, change in ours.adapter.changes():
        peft_layer = theirs.adapter.layers[f"{layer}_{handle}"].layer
        peft_layer.lora_A["default"].weight.data.copy_(change.down.data)
        peft_layer.lora_B["default"].weight.data.copy_(change.up.data)
    image = torch.randn(2, 3, 32, 48)
    expected = theirs(image)
    torch.testing.assert_close(ours(image), expected, atol=1e-6, rtol=1e-6)
    for vit in (ours, theirs):
        vit.adapter.merge(vit)
        vit.adapter = None
    torch.testing.assert_close(ours(image), theirs(image), atol=1e-6, rtol=1e-6)


def test_parameter_counts_are_the_published_ones() -> None:
    vit_b = {"embed_dim": 768, "depth": 12, "mlp_dim": 3072}
    vit_l = {"embed_dim": 1024, "depth": 24, "mlp_dim": 4096}
    assert Lora.num_params(**vit_b, rank=4) == 147_456
    assert Lora.num_params(**vit_l, rank=8) == 786_432
    assert AdaptFormer.num_params(embed_dim=1024, depth=24, rank=64) == 3_171_840


def test_dropout_acts_in_training_only(make_vit: Callable[[], nn.Module]) -> None:
    vit, adapter = make_vit(), lora(rank=4, dropout=0.5)
    attach(adapter, vit)
    trained(adapter)
    x = torch.randn(2, 5, 32)
    layer = vit.blocks[0].attn_q
    adapter.eval()
    assert torch.equal(layer(x), layer(x))
    adapter.train()
    assert not torch.equal(layer(x), layer(x))


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"rank": 0}, "rank is 0; it must be 1 or larger"),
        ({"targets": ()}, "targets is"),
        ({"targets": ("attn_q", "attn_q")}, "one twice"),
        ({"targets": ("qkv",)}, "unknown: qkv"),
    ],
)
def test_bad_arguments_are_refused(knobs: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lora(**knobs)
