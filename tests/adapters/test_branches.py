"""Houlsby, AdaptFormer, VPT, BitFit and norm tuning against their formulas, written out on one block."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters import AdaptFormer, BitFit, Houlsby, NormTuning, Vpt, attach
from rs_adapt.errors import ConfigError

MakeViT = Callable[[], nn.Module]


def wrapped(make_vit: MakeViT, adapter: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The first block with a trained adapter, and the same block without."""
    vit = make_vit()
    attach(adapter, vit)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in adapter.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.1)
    return vit.blocks[0], make_vit().blocks[0]


def attention(block: nn.Module, x: Tensor) -> Tensor:
    q, k, v = (f(x).unflatten(2, (2, -1)).transpose(1, 2) for f in (block.attn_q, block.attn_k, block.attn_v))
    return block.attn_out(functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def mlp(block: nn.Module, x: Tensor) -> Tensor:
    return block.fc2(functional.gelu(block.fc1(x)))


@pytest.mark.parametrize("after", [True, False])
def test_houlsby_follows_its_formula(make_vit: MakeViT, after: bool) -> None:
    adapter = Houlsby(embed_dim=32, depth=4, rank=5, after_layerscale=after)
    block, plain = wrapped(make_vit, adapter)
    first, second = adapter.blocks[0].values()

    def serial(change: nn.Module, h: Tensor) -> Tensor:
        return h + change.up(functional.gelu(change.down(h)))

    x = torch.randn(2, 6, 32)
    h = attention(plain, plain.norm1(x))
    y = x + (serial(first, plain.scale1(h)) if after else plain.scale1(serial(first, h)))
    h = mlp(plain, plain.norm2(y))
    expected = y + (serial(second, plain.scale2(h)) if after else plain.scale2(serial(second, h)))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("tap", ["pre_norm", "post_norm"])
@pytest.mark.parametrize("after", [True, False])
def test_adaptformer_follows_its_formula(make_vit: MakeViT, tap: str, after: bool) -> None:
    adapter = AdaptFormer(embed_dim=32, depth=4, rank=5, scale=0.3, dropout=0.0, tap=tap, after_layerscale=after)
    block, plain = wrapped(make_vit, adapter)
    branch = adapter.blocks[0]
    x = torch.randn(2, 6, 32)
    y = x + plain.scale1(attention(plain, plain.norm1(x)))
    normed = plain.norm2(y)
    added = 0.3 * branch.up(functional.relu(branch.down(y if tap == "pre_norm" else normed)))
    h = mlp(plain, normed)
    expected = y + (plain.scale2(h) + added if after else plain.scale2(h + added))
    torch.testing.assert_close(block(x), expected)


def test_bitfit_and_norm_tuning_follow_their_formulas(make_vit: MakeViT) -> None:
    for adapter in (BitFit(embed_dim=32, depth=4, mlp_dim=64), NormTuning(embed_dim=32, depth=4)):
        block, plain = wrapped(make_vit, adapter)
        with torch.no_grad():
            for name, change in adapter.blocks[0].items():
                layer = getattr(plain, name)
                layer.bias += change.bias
                if isinstance(adapter, NormTuning):
                    layer.weight += change.weight
        x = torch.randn(2, 6, 32)
        torch.testing.assert_close(block(x), plain(x))


def test_bitfit_leaves_out_the_bias_of_the_keys(make_vit: MakeViT) -> None:
    block, shifted = make_vit().blocks[0], make_vit().blocks[0]
    with torch.no_grad():
        shifted.attn_k.bias += torch.randn(32)
    x = torch.randn(2, 6, 32)
    torch.testing.assert_close(block(x), shifted(x), atol=1e-5, rtol=1e-5)
    assert "attn_k" not in BitFit(embed_dim=32, depth=4, mlp_dim=64).blocks[0]


def test_vpt_start_and_count() -> None:
    adapter = Vpt(embed_dim=400, depth=2, patch_px=14, num_tokens=100)
    limit = (6 / (3 * 14**2 + 400)) ** 0.5
    assert 0.95 * limit < adapter.prompts.abs().max() <= limit
    assert Vpt.num_params(embed_dim=1024, depth=24, num_tokens=150) == 3_686_400
    assert Houlsby.num_params(embed_dim=1024, depth=24, rank=64) == 6_343_680


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Vpt(embed_dim=8, depth=1, num_tokens=0), "num_tokens is 0"),
        (lambda: Houlsby(embed_dim=8, depth=1, rank=0), "rank is 0"),
        (lambda: AdaptFormer(embed_dim=8, depth=1, tap="mlp"), "Allowed: pre_norm, post_norm"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
