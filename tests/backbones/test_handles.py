"""Handles: every name leads to the part it names; a transformers version that renames one is named here."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import transformers
from torch import nn

from rs_adapt.backbones import Dinov2
from rs_adapt.backbones.handles import find_moved_handles


@pytest.mark.parametrize("swiglu", [False, True])
def test_every_handle_is_at_its_path(build: Callable[..., Dinov2], swiglu: bool) -> None:
    vit = build(swiglu=swiglu)
    moved = find_moved_handles(vit.layers[0], vit.blocks[0].paths)
    assert not moved, f"transformers {transformers.__version__} has moved: {moved}"


def test_handles_are_the_parts_they_name(build: Callable[..., Dinov2]) -> None:
    vit = build()
    assert len(vit.blocks) == 4
    block = vit.blocks[2]
    shapes = {name: tuple(getattr(block, name).weight.shape) for name in ("attn_q", "attn_out", "fc1", "fc2", "norm1")}
    assert shapes == {"attn_q": (32, 32), "attn_out": (32, 32), "fc1": (128, 32), "fc2": (32, 128), "norm1": (32,)}
    # The block, computed from its handles alone.
    x = torch.randn(2, 5, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        y = block.norm1(x)
        q, k, v = (f(y).view(2, 5, 2, 16).transpose(1, 2) for f in (block.attn_q, block.attn_k, block.attn_v))
        attn = ((q @ k.transpose(2, 3)) / 4).softmax(-1) @ v
        x1 = x + block.scale1(block.attn_out(attn.transpose(1, 2).reshape(2, 5, 32)))
        want = x1 + block.scale2(block.fc2(nn.functional.gelu(block.fc1(block.norm2(x1)))))
        torch.testing.assert_close(vit.layers[2](x), want, rtol=0, atol=1e-5)


def test_swiglu_has_its_handles(build: Callable[..., Dinov2]) -> None:
    vit = build(swiglu=True)
    block = vit.blocks[0]
    y = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    want = block.fc2(nn.functional.silu(block.fc1_gate(y)) * block.fc1(y))
    torch.testing.assert_close(vit.layers[0].mlp(y), want)


def test_unknown_handle_lists_the_known_ones(build: Callable[..., Dinov2]) -> None:
    with pytest.raises(AttributeError, match="no handle 'fc3'; handles: attn_q"):
        _ = build().blocks[0].fc3
    copy.deepcopy(build().blocks[0])


def test_replace_wraps_a_layer(build: Callable[..., Dinov2]) -> None:
    vit = build()
    before = vit.blocks[1].attn_q
    vit.blocks[1].replace("attn_q", nn.Sequential(before, nn.Identity()))
    assert vit.blocks[1].attn_q[0] is before
    assert vit.blocks[0].attn_q is not before
