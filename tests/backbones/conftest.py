"""A tiny ViT and files of it in every published layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.backbones import Dinov2

TINY: dict[str, Any] = {
    "embed_dim": 32,
    "depth": 4,
    "num_heads": 2,
    "patch_px": 8,
    "image_px": 64,
    "out_layers": (0, 1, 2, 3),
}


@pytest.fixture
def build() -> Callable[..., Dinov2]:
    """Build the tiny ViT, with arguments replaced."""
    return lambda **changes: Dinov2(**TINY | changes)


def original(depth: int = 4, dim: int = 32, patch: int = 14, grid: int = 5, swiglu: bool = False) -> dict[str, Tensor]:
    """A state dict under the original DINOv2 names."""
    gen = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=gen)

    state = {
        "cls_token": draw(1, 1, dim),
        "pos_embed": draw(1, 1 + grid * grid, dim),
        "mask_token": draw(1, dim),
        "patch_embed.proj.weight": draw(dim, 3, patch, patch),
        "patch_embed.proj.bias": draw(dim),
        "norm.weight": draw(dim),
        "norm.bias": draw(dim),
    }
    hidden = (int(dim * 4 * 2 / 3) + 7) // 8 * 8
    mlp = {"w12": (2 * hidden, dim), "w3": (dim, hidden)} if swiglu else {"fc1": (4 * dim, dim), "fc2": (dim, 4 * dim)}
    for i in range(depth):
        shapes = {"attn.qkv": (3 * dim, dim), "attn.proj": (dim, dim)} | {f"mlp.{k}": v for k, v in mlp.items()}
        for name, shape in shapes.items():
            state[f"blocks.{i}.{name}.weight"] = draw(*shape) * 0.1
            state[f"blocks.{i}.{name}.bias"] = draw(shape[0])
        for name in ("norm1", "norm2"):
            state[f"blocks.{i}.{name}.weight"] = draw(dim)
            state[f"blocks.{i}.{name}.bias"] = draw(dim)
        for name in ("ls1", "ls2"):
            state[f"blocks.{i}.{name}.gamma"] = draw(dim)
    return state


def huggingface(state: dict[str, Tensor], *, published: bool) -> dict[str, Tensor]:
    """The same weights under transformers' names: those of published files, or those of 5.23's modules."""
    flat = {
        "cls_token": "embeddings.cls_token",
        "pos_embed": "embeddings.position_embeddings",
        "mask_token": "embeddings.mask_token",
    }
    renames = [
        ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
        ("blocks.", "encoder.layer."),
        ("attn.proj", "attention.output.dense" if published else "attention.o_proj"),
        ("ls1.gamma", "layer_scale1.lambda1"),
        ("ls2.gamma", "layer_scale2.lambda1"),
        ("mlp.w3", "mlp.weights_out" if published else "mlp.down_proj"),
    ]
    attn = ("attention.attention.query", "attention.attention.key", "attention.attention.value")
    qkv = attn if published else ("attention.q_proj", "attention.k_proj", "attention.v_proj")
    out: dict[str, Tensor] = {}
    for name, tensor in state.items():
        new = flat.get(name, name)
        if name.startswith("norm."):
            new = name.replace("norm.", "layernorm.")
        for old, replacement in renames:
            new = new.replace(old, replacement)
        if "attn.qkv" in new:
            for part, piece in zip(qkv, tensor.chunk(3), strict=True):
                out[new.replace("attn.qkv", part)] = piece.contiguous()
        elif "mlp.w12" in new and published:
            out[new.replace("mlp.w12", "mlp.weights_in")] = tensor
        elif "mlp.w12" in new:
            for part, piece in zip(("gate_proj", "up_proj"), tensor.chunk(2), strict=True):
                out[new.replace("mlp.w12", f"mlp.{part}")] = piece.contiguous()
        else:
            out[new] = tensor
    return out


@pytest.fixture
def original_state() -> Callable[..., dict[str, Tensor]]:
    """Make weights under the original names."""
    return original


@pytest.fixture
def huggingface_state() -> Callable[..., dict[str, Tensor]]:
    """Rename weights from the original names to transformers'."""
    return huggingface
