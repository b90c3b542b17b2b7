"""The Mix Transformer (MiT), the encoder of SegFormer: Xie et al., NeurIPS 2021, arXiv 2105.15203."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rs_adapt.backbones.conversion import Names, Row, TensorLayout
from rs_adapt.backbones.pyramid import Pyramid, check_heads, check_stages
from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

# Keys and values are those of a map that is smaller by this factor, by stage.
_REDUCTIONS = (8, 4, 2, 1)
_K, _V = (f"attention.{part}_proj.*" for part in "kv")
_REDUCTION = "attention.sequence_reduction.sequence_reduction.*"
_REDUCTION_NORM = "attention.sequence_reduction.layer_norm.*"
# From the names in a block of a published file to those of transformers 5.23, which are ours.
_ORIGINAL_BLOCK: list[Row] = [
    ("norm1.*", ("layernorm_before.*",)),
    ("norm2.*", ("layernorm_after.*",)),
    ("attn.q.*", ("attention.q_proj.*",)),
    ("attn.kv.*", (_K, _V)),
    ("attn.proj.*", ("attention.o_proj.*",)),
    ("attn.sr.*", (_REDUCTION,)),
    ("attn.norm.*", (_REDUCTION_NORM,)),
    *((f"mlp.{part}.*", (f"mlp.{part}.*",)) for part in ("fc1", "fc2", "dwconv.dwconv")),
]
_TRANSFORMERS_BLOCK: list[Row] = [
    ("layer_norm_1.*", ("layernorm_before.*",)),
    ("layer_norm_2.*", ("layernorm_after.*",)),
    ("attention.self.query.*", ("attention.q_proj.*",)),
    ("attention.self.key.*", (_K,)),
    ("attention.self.value.*", (_V,)),
    ("attention.output.dense.*", ("attention.o_proj.*",)),
    ("attention.self.sr.*", (_REDUCTION,)),
    ("attention.self.layer_norm.*", (_REDUCTION_NORM,)),
    ("mlp.dense1.*", ("mlp.fc1.*",)),
    ("mlp.dense2.*", ("mlp.fc2.*",)),
    ("mlp.dwconv.dwconv.*", ("mlp.dwconv.dwconv.*",)),
]


def _stage_rows(stage: str, *, patches: tuple[str, str], norm: str, block: str, rows: list[Row]) -> list[Row]:
    """Return the rows of a stage from its names in a file: patches and their norm, last norm, blocks."""
    return [
        (patches[0], (f"stages.{stage}.patch_embeddings.proj.*",)),
        (patches[1], (f"stages.{stage}.patch_embeddings.layer_norm.*",)),
        (norm, (f"stages.{stage}.layer_norm.*",)),
        *((f"{block}.#.{theirs}", tuple(f"stages.{stage}.blocks.#.{name}" for name in ours)) for theirs, ours in rows),
    ]


# The authors count stages from 1.
_ORIGINAL_ROWS = [
    row
    for number in range(1, 5)
    for row in _stage_rows(
        str(number - 1),
        patches=(f"patch_embed{number}.proj.*", f"patch_embed{number}.norm.*"),
        norm=f"norm{number}.*",
        block=f"block{number}",
        rows=_ORIGINAL_BLOCK,
    )
]
_TRANSFORMERS_ROWS = _stage_rows(
    "#",
    patches=("encoder.patch_embeddings.#.proj.*", "encoder.patch_embeddings.#.layer_norm.*"),
    norm="encoder.layer_norm.#.*",
    block="encoder.block.#",
    rows=_TRANSFORMERS_BLOCK,
)

NAMES = Names(
    family="MiT",
    original=TensorLayout(
        title="the original MiT",
        marks=("patch_embed1.", "block1."),
        example="block1.N.*",
        rows=[*_ORIGINAL_ROWS, ("head.*", ())],
    ),
    transformers=TensorLayout(
        title="transformers' MiT",
        marks=("encoder.",),
        example="encoder.block.N.N.*",
        rows=_TRANSFORMERS_ROWS,
    ),
    prefixes=("segformer.",),
    kernel="stages.0.patch_embeddings.proj.weight",
    positions=None,
    tokens=(),
    embeddings=(),
    sizes={},
    in_stages=True,
)


@MODELS.register_module()
class Mit(Pyramid):
    """A Mix Transformer: overlapping patches, attention with reduced keys and values, no positions.

    Its maps have the norm at the end of each stage, as SegFormer's head gets them.

    Args:
        widths: Channels of the four stages.
        depths: Blocks of each stage.
        num_heads: Attention heads of each stage; each divides its width.
        adapter: None; see `Pyramid`.
        frozen: See `Pyramid`.
        weights: See `Pyramid`.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        depths: Sequence[int],
        num_heads: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the stages and fill them."""
        check_stages(widths=widths, depths=depths, num_heads=num_heads)
        check_heads(widths, num_heads)

        def parts() -> Mapping[str, nn.Module]:
            # Imported here: transformers takes seconds.
            from transformers.models.segformer import configuration_segformer, modeling_segformer

            config = configuration_segformer.SegformerConfig(
                hidden_sizes=list(widths),
                depths=list(depths),
                num_attention_heads=list(num_heads),
                sr_ratios=list(_REDUCTIONS),
                drop_path_rate=0.0,
            )
            config._attn_implementation = "sdpa"
            return {"stages": modeling_segformer.SegformerModel(config).stages}

        super().__init__(parts=parts, names=NAMES, widths=widths, adapter=adapter, frozen=frozen, weights=weights)

    def maps(self, x_B3HW: Tensor) -> list[Tensor]:
        """Return the output of each stage."""
        maps: list[Tensor] = []
        for stage in self.get_submodule("stages").children():
            maps.append(stage(maps[-1] if maps else x_B3HW))
        return maps
