"""DINOv2 as a segmentation backbone, with or without registers.

DINOv2: Oquab et al., arXiv 2304.07193; registers: Darcet et al., arXiv 2309.16588.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rs_adapt.backbones import handles
from rs_adapt.backbones.conversion import Names, Row, TensorLayout, VitSize, rename
from rs_adapt.backbones.resizing import resize
from rs_adapt.backbones.vit import Vit
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import WeightsError
from rs_adapt.ranges import COUNT_OR_0, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_CLS, _POSITIONS = "embeddings.cls_token", "embeddings.position_embeddings"
_REGISTERS = "embeddings.register_tokens"
_PATCHES = "embeddings.patch_embeddings.projection.*"
_QKV = tuple(f"layers.#.attention.{part}_proj.*" for part in "qkv")
# silu(first half) * second half: the first half is the gate.
_SWIGLU_IN = ("layers.#.mlp.gate_proj.*", "layers.#.mlp.up_proj.*")

_ORIGINAL_ROWS: list[Row] = [
    ("cls_token", (_CLS,)),
    ("pos_embed", (_POSITIONS,)),
    ("register_tokens", (_REGISTERS,)),
    ("patch_embed.proj.*", (_PATCHES,)),
    ("mask_token", ()),
    ("norm.*", ()),
    ("blocks.#.attn.qkv.*", _QKV),
    ("blocks.#.attn.proj.*", ("layers.#.attention.o_proj.*",)),
    *((f"blocks.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"blocks.#.ls{i}.gamma", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
    *((f"blocks.#.mlp.fc{i}.*", (f"layers.#.mlp.fc{i}.*",)) for i in (1, 2)),
    ("blocks.#.mlp.w12.*", _SWIGLU_IN),
    ("blocks.#.mlp.w3.*", ("layers.#.mlp.down_proj.*",)),
]
# Names of the modules of transformers 5.23 first, then those of published files.
_TRANSFORMERS_ROWS: list[Row] = [
    *((name, (name,)) for name in (_CLS, _POSITIONS, _REGISTERS, _PATCHES)),
    ("embeddings.mask_token", ()),
    ("layernorm.*", ()),
    *((f"encoder.layer.#.attention.{part}_proj.*", (f"layers.#.attention.{part}_proj.*",)) for part in "qkvo"),
    *((f"encoder.layer.#.norm{i}.*", (f"layers.#.norm{i}.*",)) for i in (1, 2)),
    *((f"encoder.layer.#.layer_scale{i}.lambda1", (f"layers.#.layer_scale{i}.lambda1",)) for i in (1, 2)),
    *(
        (f"encoder.layer.#.mlp.{part}.*", (f"layers.#.mlp.{part}.*",))
        for part in ("fc1", "fc2", "gate_proj", "up_proj", "down_proj")
    ),
    *(
        (f"encoder.layer.#.attention.attention.{part}.*", (ours,))
        for part, ours in zip(("query", "key", "value"), _QKV, strict=True)
    ),
    ("encoder.layer.#.attention.output.dense.*", ("layers.#.attention.o_proj.*",)),
    ("encoder.layer.#.mlp.weights_in.*", _SWIGLU_IN),
    ("encoder.layer.#.mlp.weights_out.*", ("layers.#.mlp.down_proj.*",)),
]

NAMES = Names(
    family="DINOv2",
    original=TensorLayout(
        title="the original DINOv2",
        marks=("blocks.", "patch_embed."),
        example="blocks.N.*",
        rows=_ORIGINAL_ROWS,
    ),
    transformers=TensorLayout(
        title="transformers' DINOv2",
        marks=("embeddings.", "encoder.layer."),
        example="encoder.layer.N.*",
        rows=_TRANSFORMERS_ROWS,
        aliases={"layers.": "encoder.layer."},
    ),
    prefixes=("dinov2.", "dinov2_with_registers."),
    kernel="embeddings.patch_embeddings.projection.weight",
    positions=_POSITIONS,
    tokens=(_CLS,),
    embeddings=("cls_token", "position_embeddings", "register_tokens"),
    sizes={
        (192, 6): ("ViT-nano", "dinov2_nano"),
        (384, 12): ("ViT-S", "dinov2_s"),
        (768, 12): ("ViT-B", "dinov2_b"),
        (1024, 24): ("ViT-L", "dinov2_l"),
        (1536, 40): ("ViT-g", "dinov2_g"),
    },
)


@MODELS.register_module()
class Dinov2(Vit):
    """A DINOv2 ViT of any size; arguments that are not described here are those of `Vit`.

    Input sizes other than image_px work too: positions are then interpolated in each forward, with registers
    antialiased, as each of the two was trained.

    Args:
        swiglu: SwiGLU feed-forward (ViT-g) instead of two matrices with GELU.
        num_registers: Register tokens after CLS, 4 in the published models that have them.
    """

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
        swiglu: bool = False,
        num_registers: int = 0,
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the ViT, fill it, then put the adapter in."""
        check_ranges("model.backbone.", num_registers=(num_registers, COUNT_OR_0))

        def parts() -> dict[str, nn.Module]:
            return _build_parts(
                embed_dim, depth, num_heads, patch_px, image_px, swiglu=swiglu, num_registers=num_registers
            )

        super().__init__(
            parts=parts,
            handles=handles.DINOV2_GATED if swiglu else handles.DINOV2,
            names=NAMES,
            num_prefix=1 + num_registers,
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
        """Return a file's tensors at the patch size and the position grid of this ViT."""
        antialias = self.num_prefix > 1
        return resize(state, NAMES, patch_px=self.patch_px, image_px=self.image_px, antialias=antialias)

    def check_file(self, path: Path, state: Mapping[str, Tensor], file_size: VitSize) -> None:
        """Refuse a file of a different size or number of registers."""
        super().check_file(path, state, file_size)
        in_file, expected = state[_REGISTERS].shape[1] if _REGISTERS in state else 0, self.num_prefix - 1
        if in_file != expected:
            with_or_without = "with `_reg4`" if expected else "without `reg4`"
            raise WeightsError(
                f"{path}: these are DINOv2 weights with {in_file} registers, but this backbone has {expected}: use the "
                f"file {with_or_without} in its name, or a different backbone (dinov2_l has no registers, dinov2_l_reg "
                "has them)"
            )

    @staticmethod
    def convert_reference(
        state: Mapping[str, Tensor], *, patch_px: int | None = None, image_px: int | None = None
    ) -> dict[str, Tensor]:
        """Rename original DINOv2 weights to this module's names and, where a size is given, resize them.

        Args:
            state: Tensors under the original names without outer prefix; some blocks only is fine. Those of released
                adapters are left out.
            patch_px: Patch size to resize the kernel to; None leaves it.
            image_px: Image size to resize the position grid for; None leaves it.

        Raises:
            WeightsError: If a name is unknown.
            ConfigError: If image_px is given and no patch size is known.
        """
        return resize(rename(state, NAMES.original, NAMES), NAMES, patch_px=patch_px, image_px=image_px)


def _build_parts(
    embed_dim: int, depth: int, num_heads: int, patch_px: int, image_px: int, *, swiglu: bool, num_registers: int
) -> dict[str, nn.Module]:
    # Imported here: transformers takes seconds, and converting weights does not need it.
    from transformers.models.dinov2 import configuration_dinov2, modeling_dinov2
    from transformers.models.dinov2_with_registers import (
        configuration_dinov2_with_registers,
        modeling_dinov2_with_registers,
    )

    config = configuration_dinov2.Dinov2Config(
        hidden_size=embed_dim,
        num_hidden_layers=depth,
        num_attention_heads=num_heads,
        patch_size=patch_px,
        image_size=image_px,
        use_swiglu_ffn=swiglu,
        use_mask_token=False,
    )
    config._attn_implementation = "sdpa"
    # Models with registers have the same blocks.
    layers = nn.ModuleList(modeling_dinov2.Dinov2Layer(config) for _ in range(depth))
    if not num_registers:
        return {"embeddings": modeling_dinov2.Dinov2Embeddings(config), "layers": layers}
    with_registers = configuration_dinov2_with_registers.Dinov2WithRegistersConfig(
        hidden_size=embed_dim, patch_size=patch_px, image_size=image_px, num_register_tokens=num_registers
    )
    embeddings = modeling_dinov2_with_registers.Dinov2WithRegistersEmbeddings(with_registers)
    # No forward pass uses the mask token; left in place, it would be trained, counted and saved.
    embeddings.mask_token = None
    return {"embeddings": embeddings, "layers": layers}
