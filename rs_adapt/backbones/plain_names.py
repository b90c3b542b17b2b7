"""Names of the tensors of plain ViTs: those of MAE's code, and those of transformers' ViT.

MAE: He et al., arXiv 2111.06377. Blocks are those of the first ViT (Dosovitskiy et al., arXiv 2010.11929), with biases
in q, k and v and without LayerScale.
"""

from __future__ import annotations

from dataclasses import replace

from rs_adapt.backbones.conversion import Names, Row, TensorLayout

CLS, POSITIONS = "embeddings.cls_token", "embeddings.position_embeddings"
PATCHES = "embeddings.patch_embeddings.projection.*"
_QKV = tuple(f"layers.#.attention.{part}_proj.*" for part in "qkv")
_DINO = "LayerScale is that of DINOv2 and DINOv3: choose the backbone that fits the file (dinov2_b, ...)."
PRITHVI = "A file of Prithvi-EO-2.0 has such names: choose prithvi_2_l."
_DOFA = "DOFA generates its patch embedding: choose dofa_b or dofa_l."
_SAM = "Relative positions are SAM's: choose the backbone that fits the file (sam_b, ...)."

_BLOCK_ROWS: list[Row] = [
    ("blocks.#.attn.qkv.*", _QKV),
    ("blocks.#.attn.proj.*", ("layers.#.attention.o_proj.*",)),
    ("blocks.#.norm1.*", ("layers.#.layernorm_before.*",)),
    ("blocks.#.norm2.*", ("layers.#.layernorm_after.*",)),
    *((f"blocks.#.mlp.fc{i}.*", (f"layers.#.mlp.fc{i}.*",)) for i in (1, 2)),
]
_MAE_ROWS: list[Row] = [
    ("cls_token", (CLS,)),
    ("pos_embed", (POSITIONS,)),
    ("patch_embed.proj.*", (PATCHES,)),
    ("norm.*", ()),
    *_BLOCK_ROWS,
]
# The names of the modules of transformers 5.23, which are ours, then those of published files.
_TRANSFORMERS_ROWS: list[Row] = [
    *((name, (name,)) for name in (CLS, POSITIONS, PATCHES)),
    ("layernorm.*", ()),
    ("pooler.dense.*", ()),
    *((f"layers.#.attention.{part}_proj.*", (f"layers.#.attention.{part}_proj.*",)) for part in "qkvo"),
    *((f"layers.#.layernorm_{place}.*", (f"layers.#.layernorm_{place}.*",)) for place in ("before", "after")),
    *((f"layers.#.mlp.fc{i}.*", (f"layers.#.mlp.fc{i}.*",)) for i in (1, 2)),
    *(
        (f"encoder.layer.#.attention.attention.{part}.*", (ours,))
        for part, ours in zip(("query", "key", "value"), _QKV, strict=True)
    ),
    ("encoder.layer.#.attention.output.dense.*", ("layers.#.attention.o_proj.*",)),
    *((f"encoder.layer.#.layernorm_{place}.*", (f"layers.#.layernorm_{place}.*",)) for place in ("before", "after")),
    ("encoder.layer.#.intermediate.dense.*", ("layers.#.mlp.fc1.*",)),
    ("encoder.layer.#.output.dense.*", ("layers.#.mlp.fc2.*",)),
]

ORIGINAL = TensorLayout(
    title="a plain ViT (MAE)",
    marks=("blocks.", "patch_embed."),
    example="blocks.N.*",
    rows=_MAE_ROWS,
    # What pre-training and classification have besides; Scale-MAE's decoder has a pyramid.
    other_prefixes=("decoder", "mask_token", "fpn", "fcn", "fc_norm.", "head.", "projector."),
)
TRANSFORMERS = TensorLayout(
    title="transformers' ViT",
    marks=("embeddings.", "encoder.layer.", "layers."),
    example="encoder.layer.N.*",
    rows=_TRANSFORMERS_ROWS,
    other_prefixes=("decoder.", "classifier.", "embeddings.mask_token"),
)


def without_positions(layout: TensorLayout) -> TensorLayout:
    """Return a layout whose positions are dropped, for a ViT that computes them."""
    return replace(layout, rows=[(theirs, () if ours == (POSITIONS,) else ours) for theirs, ours in layout.rows])


NAMES = Names(
    family="plain (MAE)",
    original=ORIGINAL,
    transformers=TRANSFORMERS,
    prefixes=("vit.",),
    kernel="embeddings.patch_embeddings.projection.weight",
    positions=POSITIONS,
    tokens=(CLS,),
    embeddings=("cls_token", "position_embeddings"),
    foreign={
        "ls1": _DINO,
        "layer_scale": _DINO,
        "rel_pos": _SAM,
        "encoder.patch_embed": PRITHVI,
        "weight_generator": _DOFA,
    },
    sizes={(768, 12): ("ViT-B", "mae_b"), (1024, 24): ("ViT-L", "mae_l")},
)
