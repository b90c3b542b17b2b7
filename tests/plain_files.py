"""Files of plain ViTs in the layouts of their authors, made of transformers' tiny models."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from transformers.models.vit import ViTConfig, ViTModel
from transformers.models.vit_mae import ViTMAEConfig, ViTMAEModel

State = dict[str, Tensor]

_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "patch_size": 8,
    "image_size": 64,
    "intermediate_size": 128,
    # MAE's; transformers has 1e-12.
    "layer_norm_eps": 1e-6,
}
_AUTHORS = [
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^layernorm", "norm"),
    (r"^layers\.", "blocks."),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (r"attention\.o_proj", "attn.proj"),
]
_PUBLISHED = [
    (r"^layers\.", "encoder.layer."),
    (r"attention\.q_proj", "attention.attention.query"),
    (r"attention\.k_proj", "attention.attention.key"),
    (r"attention\.v_proj", "attention.attention.value"),
    (r"attention\.o_proj", "attention.output.dense"),
    (r"mlp\.fc1", "intermediate.dense"),
    (r"mlp\.fc2", "output.dense"),
]


def vit() -> nn.Module:
    """transformers' ViT, with its pooler."""
    return ViTModel(ViTConfig(**_SIZES))


def mae() -> nn.Module:
    """transformers' MAE, which masks nothing."""
    return ViTMAEModel(ViTMAEConfig(**_SIZES, mask_ratio=0.0))


def authors(state: State) -> State:
    """The same weights under the names of MAE's code, with a decoder beside them."""
    out: State = {}
    for name, tensor in state.items():
        if name.startswith("pooler."):
            continue
        new = name
        for pattern, replacement in _AUTHORS:
            new = re.sub(pattern, replacement, new)
        if "attention.q_proj" in new:
            others = [state[name.replace("q_proj", f"{part}_proj")] for part in "kv"]
            out[new.replace("attention.q_proj", "attn.qkv")] = torch.cat([tensor, *others])
        elif not re.search(r"attention\.[kv]_proj", new):
            out[new] = tensor
    decoder = {"decoder_embed.weight": torch.ones(16, 32), "decoder_pos_embed": torch.ones(1, 65, 16)}
    return out | decoder | {"decoder_blocks.0.norm1.weight": torch.ones(16), "mask_token": torch.ones(1, 1, 16)}


def published(state: State) -> State:
    """The same weights under the names of transformers' published files."""
    out = {}
    for name, tensor in state.items():
        for pattern, replacement in _PUBLISHED:
            name = re.sub(pattern, replacement, name)
        out[f"vit.{name}"] = tensor
    return out | {"classifier.weight": torch.ones(3, 32)}


def damaged(state: State) -> Iterator[State]:
    """Yield a state with each tensor of patches and positions of the encoder damaged in turn, or left out."""
    damages: tuple[Callable[[Tensor], Tensor], ...] = (
        lambda tensor: tensor.sum(),
        lambda tensor: tensor[:0],
        lambda tensor: tensor[None],
        lambda tensor: tensor.flatten()[:3],
    )
    for name in state:
        if "patch_embed" in name or ("pos_embed" in name and "decoder" not in name):
            yield from (state | {name: damage(state[name])} for damage in damages)
            yield {other: tensor for other, tensor in state.items() if other != name}
