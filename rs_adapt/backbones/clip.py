"""The visual tower of CLIP as a segmentation backbone.

CLIP: Radford et al., arXiv 2103.00020. The last norm and the projection are not used here: the head `text` has them,
and the text tower is in `rs_adapt.language`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor, nn

from rs_adapt.backbones import handles
from rs_adapt.backbones.conversion import Names, Row, TensorLayout, VitSize
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

Activation = Literal["quick_gelu", "gelu"]
_CLS, _POSITIONS = "embeddings.class_embedding", "embeddings.position_embedding.weight"
_PATCHES = "embeddings.patch_embedding.*"
# A kernel may be resized to a near size (14 to 16 px); a kernel of twice the size belongs to a different model.
_MAX_RESIZE = 1.5

# Both towers have these blocks.
ORIGINAL_BLOCKS: list[Row] = [
    *(
        (
            f"transformer.resblocks.#.attn.in_proj_{kind}",
            tuple(f"layers.#.self_attn.{part}_proj.{kind}" for part in "qkv"),
        )
        for kind in ("weight", "bias")
    ),
    ("transformer.resblocks.#.attn.out_proj.*", ("layers.#.self_attn.out_proj.*",)),
    *((f"transformer.resblocks.#.ln_{i}.*", (f"layers.#.layer_norm{i}.*",)) for i in (1, 2)),
    ("transformer.resblocks.#.mlp.c_fc.*", ("layers.#.mlp.fc1.*",)),
    ("transformer.resblocks.#.mlp.c_proj.*", ("layers.#.mlp.fc2.*",)),
]
TRANSFORMERS_BLOCKS: list[Row] = [
    (f"encoder.layers.#.{part}.*", (f"layers.#.{part}.*",))
    for part in (
        *(f"self_attn.{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj")),
        *("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2"),
    )
]
_ORIGINAL_ROWS: list[Row] = [
    ("class_embedding", (_CLS,)),
    ("positional_embedding", (_POSITIONS,)),
    # CLIP's convolution has no bias; a method may have trained one.
    ("conv1.*", (_PATCHES,)),
    ("ln_pre.*", ("pre_layrnorm.*",)),
    ("ln_post.*", ()),
    ("proj", ()),
    *ORIGINAL_BLOCKS,
]
_TRANSFORMERS_ROWS: list[Row] = [
    *((name, (name,)) for name in (_CLS, _POSITIONS, _PATCHES, "pre_layrnorm.*")),
    ("embeddings.position_ids", ()),
    ("post_layernorm.*", ()),
    *TRANSFORMERS_BLOCKS,
]

NAMES = Names(
    family="CLIP",
    original=TensorLayout(
        title="the original CLIP",
        marks=("transformer.resblocks.", "conv1."),
        example="visual.transformer.resblocks.N.*",
        rows=_ORIGINAL_ROWS,
    ),
    transformers=TensorLayout(
        title="transformers' CLIP",
        marks=("embeddings.", "encoder.layers."),
        example="encoder.layers.N.*",
        rows=_TRANSFORMERS_ROWS,
        aliases={"layers.": "encoder.layers."},
    ),
    prefixes=("visual.", "clip.", "vision_model."),
    kernel="embeddings.patch_embedding.weight",
    positions=_POSITIONS,
    positions_ndim=2,
    tokens=(_CLS, "pre_layrnorm.weight"),
    embeddings=("class_embedding", "position_embedding.weight"),
    zero_biases=(r"embeddings\.patch_embedding",),
    sizes={(768, 12): ("ViT-B", "clip_b_16"), (1024, 24): ("ViT-L", "clip_l_14")},
)


@MODELS.register_module()
class Clip(Vit):
    """CLIP's visual ViT of any size; arguments that are not described here are those of `Vit`.

    Input sizes other than image_px work too: positions are then interpolated in each forward. The patch embedding has a
    bias, which is zero in CLIP (see `Names.zero_biases`).

    Attributes:
        activation: See below; the text tower of the same model has the same.

    Args:
        activation: Activation of the feed-forward part: "quick_gelu" (x times the sigmoid of 1.702 x), of OpenAI's
            models and those that were trained on from them; "gelu", of open_clip's models without `quickgelu` in their
            name.

    Raises:
        ConfigError: Also if `activation` is unknown.
    """

    pre_layrnorm: nn.Module

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        num_heads: int,
        patch_px: int = 16,
        image_px: int = 512,
        out_layers: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        level_scales: Sequence[float] = (4.0, 2.0, 1.0, 0.5),
        activation: Activation = "quick_gelu",
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        if activation not in get_args(Activation):
            raise ConfigError(
                f"model.backbone.activation is {activation!r}. Allowed: {', '.join(get_args(Activation))}."
            )

        def parts() -> dict[str, nn.Module]:
            # Imported here: transformers takes seconds, and converting weights does not need it.
            from rs_adapt.backbones.clip_parts import build_clip_parts

            return build_clip_parts(embed_dim, depth, num_heads, patch_px, image_px, activation)

        super().__init__(
            parts=parts,
            handles=handles.CLIP,
            names=NAMES,
            num_prefix=1,
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
        self.activation = activation

    def fill_constants(self) -> None:
        """Set the position ids."""
        ids: Tensor = self.embeddings.position_ids  # type: ignore[assignment]
        ids.copy_(torch.arange(ids.shape[1]))

    def embed(self, x_B3HW: Tensor) -> Tensor:
        """Return the tokens (B, 1 + h*w, D), which CLIP normalises before the first block."""
        x_BND: Tensor = self.pre_layrnorm(self.embeddings(x_B3HW, interpolate_pos_encoding=True))
        return x_BND

    def check_file(self, path: Path, state: Mapping[str, Tensor], file_size: VitSize) -> None:
        """Refuse a file with a different width, depth or patch: ViT-B/32 and ViT-B/16 differ in the patch alone."""
        super().check_file(path, state, file_size)
        if not 1 / _MAX_RESIZE <= file_size.patch_px / self.patch_px <= _MAX_RESIZE:
            raise WeightsError(
                f"{path} holds weights of {file_size.model(NAMES)}/{file_size.patch_px}, but this backbone has patches "
                f"of {self.patch_px} px. Use the file with that patch size, or the backbone that fits this file "
                "(clip_b_32 or clip_b_16)."
            )
