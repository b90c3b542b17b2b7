"""The image encoder of SAM as a segmentation backbone: attention in windows, relative positions, no CLS token.

SAM: Kirillov et al., arXiv 2304.02643. The neck, the prompt encoder and the mask decoder are not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones import handles
from rs_adapt.backbones.conversion import Names, Row, TensorLayout
from rs_adapt.backbones.resizing import resize
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_POSITIONS, _PATCHES = "embeddings.position_embeddings", "embeddings.projection.*"
_RELATIVE = ("rel_pos_h", "rel_pos_w")
_QKV = tuple(f"layers.#.attn.{part}_proj.*" for part in "qkv")

_ORIGINAL_ROWS: list[Row] = [
    ("pos_embed", (_POSITIONS,)),
    ("patch_embed.proj.*", (_PATCHES,)),
    ("blocks.#.attn.qkv.*", _QKV),
    ("blocks.#.attn.proj.*", ("layers.#.attn.proj.*",)),
    *((f"blocks.#.attn.{name}", (f"layers.#.attn.{name}",)) for name in _RELATIVE),
    *((f"blocks.#.norm{i}.*", (f"layers.#.layer_norm{i}.*",)) for i in (1, 2)),
    *((f"blocks.#.mlp.lin{i}.*", (f"layers.#.mlp.lin{i}.*",)) for i in (1, 2)),
]
# transformers' names; ours, which split q, k and v, after them.
_TRANSFORMERS_ROWS: list[Row] = [
    ("pos_embed", (_POSITIONS,)),
    ("patch_embed.projection.*", (_PATCHES,)),
    ("layers.#.attn.qkv.*", _QKV),
    *((f"layers.#.attn.{name}", (f"layers.#.attn.{name}",)) for name in ("proj.*", *_RELATIVE)),
    *((f"layers.#.layer_norm{i}.*", (f"layers.#.layer_norm{i}.*",)) for i in (1, 2)),
    *((f"layers.#.mlp.lin{i}.*", (f"layers.#.mlp.lin{i}.*",)) for i in (1, 2)),
    *((name, (name,)) for name in (_POSITIONS, _PATCHES, *_QKV)),
]

NAMES = Names(
    family="SAM",
    original=TensorLayout(
        title="the original SAM",
        marks=("blocks.", "patch_embed.proj."),
        example="image_encoder.blocks.N.*",
        rows=_ORIGINAL_ROWS,
        other_prefixes=("neck.",),
    ),
    transformers=TensorLayout(
        title="transformers' SAM",
        marks=("layers.",),
        example="layers.N.*",
        rows=_TRANSFORMERS_ROWS,
        other_prefixes=("neck.",),
    ),
    prefixes=("image_encoder.", "vision_encoder."),
    kernel="embeddings.projection.weight",
    positions=_POSITIONS,
    positions_ndim=4,
    tokens=(),
    embeddings=("position_embeddings", *_RELATIVE),
    sizes={(768, 12): ("ViT-B", "sam_b"), (1024, 24): ("ViT-L", "sam_l"), (1280, 32): ("ViT-H", "sam_h")},
)


@MODELS.register_module()
class Sam(Vit):
    """SAM's image encoder of any size; arguments that are not described here are those of `Vit`.

    The tokens are the patches alone, row by row; only windows and relative positions see them as a grid. q, k and v,
    one matrix in SAM, are three here, so that methods can change each. Input sizes other than image_px work too:
    positions are then interpolated in each forward, learned ones bicubic and relative ones linear.

    Prompt methods do not work: a window of patches has no place for extra tokens.

    Args:
        window: Side of the windows that attention is confined to, tokens.
        global_layers: Blocks (from 0) whose attention sees the whole image.

    Raises:
        ConfigError: Also if a global layer is not a block.
    """

    takes_tokens = False

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        global_layers: Sequence[int],
        window: int = 14,
        patch_px: int = 16,
        image_px: int = 1024,
        out_layers: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        check_ranges("model.backbone.", window=(window, COUNT))
        if not set(global_layers) <= set(range(depth)):
            raise ConfigError(
                f"global_layers={list(global_layers)} must be block numbers from 0 to {depth - 1} (depth={depth})."
            )

        def parts() -> dict[str, nn.Module]:
            # Imported here: transformers takes seconds, and converting weights does not need it.
            from rs_adapt.backbones.sam_parts import build_sam_parts

            return build_sam_parts(embed_dim, depth, num_heads, patch_px, image_px, window, list(global_layers))

        super().__init__(
            parts=parts,
            handles=handles.SAM,
            names=NAMES,
            num_prefix=0,
            embed_dim=embed_dim,
            depth=depth,
            num_heads=num_heads,
            patch_px=patch_px,
            image_px=image_px,
            out_layers=out_layers,
            level_scales=level_scales,
            adapter=adapter,
            frozen=frozen,
            weights=weights,
        )

    def fit(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return a file's tensors at the patch size, position grid and distances of this ViT."""
        fitted = resize(state, NAMES, patch_px=self.patch_px, image_px=self.image_px)
        image_px: Any = self.image_px
        length = 2 * (image_px // self.patch_px) - 1
        for number, layer in enumerate(self.layers):
            # All windows have the same size, so their relative positions are never resized.
            parts = () if layer.window_size else _RELATIVE
            for name in (f"layers.{number}.attn.{part}" for part in parts):
                if name in fitted and len(fitted[name]) != length:
                    # As the blocks do in a forward pass at a different size.
                    rows_1DN = fitted[name].float().T[None]
                    fitted[name] = F.interpolate(rows_1DN, size=length, mode="linear")[0].T
        return fitted

    def block_context(self, x_B3HW: Tensor) -> tuple[int, int]:
        """Return the token grid."""
        return self.grid(x_B3HW)

    def run_block(self, layer: int, x_BND: Tensor, context: Any, attend_B1NN: Tensor | None = None) -> Tensor:
        """Return the tokens after a block."""
        assert attend_B1NN is None, "tokens of windows cannot be masked; the configuration refuses such heads"
        y_BND: Tensor = self.layers[layer](x_BND, context)
        return y_BND
