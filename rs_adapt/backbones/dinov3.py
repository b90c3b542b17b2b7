"""DINOv3 as a segmentation backbone: rotary positions, register ("storage") tokens, patch 16.

DINOv3: Simeoni et al., arXiv 2508.10104. Its weights are gated and under the DINOv3 License; a user supplies the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from rs_adapt.backbones import handles
from rs_adapt.backbones.conversion import Names, Row, TensorLayout
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, COUNT_OR_0, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_CLS, _REGISTERS = "embeddings.cls_token", "embeddings.register_tokens"
_PATCHES = "embeddings.patch_embeddings.*"
_Q, _K, _V = (f"layers.#.attention.{part}_proj" for part in "qkv")

_ORIGINAL_ROWS: list[Row] = [
    ("cls_token", (_CLS,)),
    ("storage_tokens", (_REGISTERS,)),
    ("mask_token", ()),
    # The periods follow from the number of heads.
    ("rope_embed.periods", ()),
    ("patch_embed.proj.*", (_PATCHES,)),
    # The norms at the end, of which the models that untie them have more than one.
    *((f"{norm}.*", ()) for norm in ("norm", "cls_norm", "local_cls_norm")),
    ("blocks.#.attn.qkv.weight", (f"{_Q}.weight", f"{_K}.weight", f"{_V}.weight")),
    # The keys' part is masked to zero in the original (mask_k_bias): a bias of the keys does not change attention.
    ("blocks.#.attn.qkv.bias", (f"{_Q}.bias", "", f"{_V}.bias")),
    ("blocks.#.attn.qkv.bias_mask", ()),
    ("blocks.#.attn.proj.*", ("layers.#.attention.o_proj.*",)),
    *((f"blocks.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"blocks.#.ls{i}.gamma", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
]
_MLP_ROWS: list[Row] = [
    ("blocks.#.mlp.fc1.*", ("layers.#.mlp.up_proj.*",)),
    ("blocks.#.mlp.fc2.*", ("layers.#.mlp.down_proj.*",)),
]
_GATED_ROWS: list[Row] = [
    ("blocks.#.mlp.w1.*", ("layers.#.mlp.gate_proj.*",)),
    ("blocks.#.mlp.w2.*", ("layers.#.mlp.up_proj.*",)),
    ("blocks.#.mlp.w3.*", ("layers.#.mlp.down_proj.*",)),
]
_TRANSFORMERS_ROWS: list[Row] = [
    *((name, (name,)) for name in (_CLS, _REGISTERS, _PATCHES)),
    ("embeddings.mask_token", ()),
    ("norm.*", ()),
    *((f"layer.#.attention.{part}_proj.*", (f"layers.#.attention.{part}_proj.*",)) for part in "qkvo"),
    *((f"layer.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"layer.#.layer_scale{i}.lambda1", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
    *((f"layer.#.mlp.{part}_proj.*", (f"layers.#.mlp.{part}_proj.*",)) for part in ("gate", "up", "down")),
]

NAMES = Names(
    family="DINOv3",
    original=TensorLayout(
        title="the original DINOv3",
        marks=("blocks.", "patch_embed."),
        example="blocks.N.*",
        # A file of the other kind is read too, so that the error can name it.
        rows=[*_ORIGINAL_ROWS, *_MLP_ROWS, *_GATED_ROWS],
    ),
    # Names of published files; the modules of transformers 5.23 are named `model.layer.N`.
    transformers=TensorLayout(
        title="transformers' DINOv3",
        marks=("embeddings.", "layer.", "model.layer."),
        example="layer.N.*",
        rows=_TRANSFORMERS_ROWS,
        aliases={"layers.": "layer.", "model.layer.": "layer."},
    ),
    prefixes=("dinov3.", "dinov3_vit."),
    kernel="embeddings.patch_embeddings.weight",
    positions=None,
    tokens=(_CLS, _REGISTERS),
    embeddings=("cls_token", "register_tokens"),
    # For the 7B model, whose q, k and v have no bias.
    zero_biases=(r"layers\.\d+\.attention\.[qv]_proj",),
    sizes={
        (384, 12): ("ViT-S", "dinov3_s"),
        (768, 12): ("ViT-B", "dinov3_b"),
        (1024, 24): ("ViT-L", "dinov3_l"),
        (1280, 32): ("ViT-H+", "dinov3_h_plus"),
        (4096, 40): ("ViT-7B", "dinov3_7b"),
    },
)
# The same, except that up and down are written as w2 and w3.
NAMES_GATED = replace(NAMES, original=replace(NAMES.original, rows=[*_ORIGINAL_ROWS, *_GATED_ROWS, *_MLP_ROWS]))


@MODELS.register_module()
class Dinov3(Vit):
    """A DINOv3 ViT of any size; arguments that are not described here are those of `Vit`.

    Positions are rotary, of patch centres from -1 to 1 in both directions, so images of any size have their own and
    none is interpolated. The random shifts and scales of positions that DINOv3 was trained with are off, also where it
    trains.

    Args:
        mlp_dim: Hidden width of the feed-forward part.
        gated_mlp: SwiGLU feed-forward (the models with a plus, and 7B) instead of two matrices with GELU.
        num_registers: Register tokens after CLS.

    Raises:
        ConfigError: Also if the width of a head is not a multiple of 4.
    """

    rope: nn.Module

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        mlp_dim: int,
        gated_mlp: bool = False,
        num_registers: int = 4,
        patch_px: int = 16,
        out_layers: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        check_ranges(
            "model.backbone.",
            num_heads=(num_heads, COUNT),
            mlp_dim=(mlp_dim, COUNT),
            num_registers=(num_registers, COUNT_OR_0),
        )
        if embed_dim % num_heads == 0 and embed_dim // num_heads % 4:
            raise ConfigError(
                f"embed_dim={embed_dim} with num_heads={num_heads} makes heads {embed_dim // num_heads} wide: rotary "
                "positions need a multiple of 4."
            )

        def parts() -> dict[str, nn.Module]:
            return _build_parts(
                embed_dim, depth, num_heads, patch_px, mlp_dim, gated=gated_mlp, num_registers=num_registers
            )

        super().__init__(
            parts=parts,
            handles=handles.DINOV3_GATED if gated_mlp else handles.DINOV3,
            names=NAMES_GATED if gated_mlp else NAMES,
            num_prefix=1 + num_registers,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            patch_px=patch_px,
            image_px=None,
            out_layers=out_layers,
            level_scales=level_scales,
            adapter=adapter,
            frozen=frozen,
            weights=weights,
        )

    def fill_constants(self) -> None:
        """Compute the frequencies of the rotary positions."""
        rope: Any = self.rope
        rope.inv_freq.copy_(rope.base ** -torch.arange(0, 1, 4 / rope.head_dim, dtype=torch.float32))

    def block_context(self, x_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return cosine and sine (h*w, D / num_heads) of the patches' positions."""
        cos_sin: tuple[Tensor, Tensor] = self.rope(x_B3HW)
        return cos_sin

    def run_block(self, layer: int, x_BND: Tensor, context: Any, attend_B1NN: Tensor | None = None) -> Tensor:
        """Return the tokens after a block; its queries and keys of patches, the last h*w tokens, are rotated."""
        y_BND: Tensor = self.layers[layer](x_BND, attention_mask=attend_B1NN, position_embeddings=context)
        return y_BND


def _build_parts(
    embed_dim: int, depth: int, num_heads: int, patch_px: int, mlp_dim: int, *, gated: bool, num_registers: int
) -> dict[str, nn.Module]:
    # Imported here: transformers takes seconds, and converting weights does not need it.
    from transformers.models.dinov3_vit import configuration_dinov3_vit
    from transformers.models.dinov3_vit import modeling_dinov3_vit as dinov3

    config = configuration_dinov3_vit.DINOv3ViTConfig(
        hidden_size=embed_dim,
        intermediate_size=mlp_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        use_gated_mlp=gated,
        hidden_act="silu" if gated else "gelu",
        num_register_tokens=num_registers,
        pos_embed_rescale=None,
    )
    config._attn_implementation = "sdpa"
    embeddings = dinov3.DINOv3ViTEmbeddings(config)
    # Nothing is masked; a tensor that no forward uses would train, count and be saved.
    embeddings.mask_token = None
    return {
        "embeddings": embeddings,
        "rope": dinov3.DINOv3ViTRopePositionEmbedding(config),
        "layers": nn.ModuleList(dinov3.DINOv3ViTLayer(config) for _ in range(depth)),
    }
