"""COBOT: published counts, its formula in a bottleneck, and merging on LoRA."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from rs_adapt.adapters import AdaptFormer, Cobot, Lora, attach
from rs_adapt.errors import ConfigError
from rs_adapt.quaternions import hamilton_matrix

FACTS = {"embed_dim": 32, "depth": 4, "patch_px": 8, "mlp_dim": 64}
LORA = {"type": "rs_adapt.Lora", "rank": 8, "targets": ("attn_q", "attn_v")}


def test_parameter_counts_on_top_of_the_host_are_the_published_ones() -> None:
    vit_b = {"embed_dim": 768, "depth": 12, "patch_px": 16, "mlp_dim": 3072}
    host = {"type": "rs_adapt.Lora", "rank": 4}
    assert Cobot.num_params(host=host, **vit_b) - Lora.num_params(embed_dim=768, depth=12, mlp_dim=3072, rank=4) == 864
    host = {"type": "rs_adapt.AdaptFormer", "rank": 16}
    assert Cobot.num_params(host=host, **vit_b) - AdaptFormer.num_params(embed_dim=768, depth=12, rank=16) == 1296


def test_bottlenecks_follow_the_formula(make_vit: Callable[[], nn.Module]) -> None:
    vit, adapter = make_vit(), Cobot(host=LORA, **FACTS)
    torch.manual_seed(1)
    attach(adapter, vit)
    with torch.no_grad():
        for p in adapter.parameters():
            p.add_(0.1 * torch.randn(p.shape))
    layer, slot = 2, 5  # The values' projection of the third block: 2 * 2 + 1.
    change, mid = adapter.host.blocks[layer]["attn_v"], adapter.slots[slot]
    base = vit.blocks[layer].attn_v.base
    x = torch.randn(3, 32)
    z = x @ change.down.T
    communicated = (adapter.bank.coefficients @ adapter.bank.relation)[:, slot]
    u = z * communicated + z * mid.own
    h = u @ hamilton_matrix(*mid.quaternion)
    expected = base(x) + 2.0 * h @ change.up.T
    torch.testing.assert_close(vit.blocks[layer].attn_v(x), expected, atol=1e-5, rtol=1e-5)
    weight = change.merged_weight(base.weight)
    torch.testing.assert_close(functional.linear(x, weight, base.bias), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("start", ["orthogonal", "uniform"])
def test_quaternions_start_as_documented(start: str) -> None:
    adapter = Cobot(host=LORA, start=start, **FACTS)
    matrix = hamilton_matrix(*adapter.slots[0].quaternion)
    assert torch.allclose(matrix @ matrix.T, torch.eye(8), atol=1e-6) == (start == "orthogonal")
    if start == "uniform":
        assert not adapter.slots[0].quaternion[0].any()
    # Both sets of coefficients are one: they double the code.
    torch.testing.assert_close(adapter.slots[0].matrix(), 2 * matrix)


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"type": "rs_adapt.Vpt"}, "Vpt has no bottlenecks"),
        ({"type": "rs_adapt.Lora", "rank": 6}, "multiple of 4"),
        ({"type": "rs_adapt.Nothing"}, "no adapter"),
    ],
)
def test_hosts_without_bottlenecks_are_refused(host: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Cobot(host=host, **FACTS)


def test_an_unknown_start_is_refused() -> None:
    with pytest.raises(ConfigError, match="Allowed: uniform, orthogonal"):
        Cobot(host=LORA, start="zeros", **FACTS)
