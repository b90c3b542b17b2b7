"""What the language side reads of a file of CLIP: the text tower, and the way of image features into the same space.

CLIP: Radford et al., arXiv 2103.00020. Shapes: V vocabulary, W width of the text tower, D of the visual
one, C dimensions of the space.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from rs_adapt.backbones.clip import ORIGINAL_BLOCKS, TRANSFORMERS_BLOCKS
from rs_adapt.backbones.conversion import Row, TensorLayout, rename_by_layout, require_whole
from rs_adapt.backbones.weights import check_finite, read_model, read_once
from rs_adapt.config.weights_files import missing_weights
from rs_adapt.errors import WeightsError
from rs_adapt.language.token_rows import TOKEN_IDS, spread_rows

TOKENS, POSITIONS = "embeddings.token_embedding.weight", "embeddings.position_embedding.weight"
PROJECTION = "projection.weight"
_NEEDED = (TOKENS, POSITIONS, "final_norm.weight", "final_norm.bias", PROJECTION)
# The visual tower, the temperature, and numbers that OpenAI's archives hold as tensors.
_NOT_TEXT = (
    *("visual.", "vision_model.", "visual_projection.", "logit_scale", "logit_bias"),
    *("input_resolution", "context_length", "vocab_size"),
)
_ORIGINAL_ROWS: list[Row] = [
    ("token_embedding.weight", (TOKENS,)),
    ("positional_embedding", (POSITIONS,)),
    ("ln_final.*", ("final_norm.*",)),
    ("text_projection", (PROJECTION,)),
    *((name, ()) for name in ("attn_mask", "transformer.resblocks.#.attn_mask")),
    *ORIGINAL_BLOCKS,
]
_TRANSFORMERS_ROWS: list[Row] = [
    ("text_model.embeddings.token_embedding.weight", (TOKENS,)),
    ("text_model.embeddings.position_embedding.weight", (POSITIONS,)),
    ("text_model.embeddings.position_ids", ()),
    (TOKEN_IDS, ()),
    ("text_model.final_layer_norm.*", ("final_norm.*",)),
    ("text_projection.weight", (PROJECTION,)),
    *((f"text_model.{theirs}", ours) for theirs, ours in TRANSFORMERS_BLOCKS),
]
# Also open_clip's, and so those of RemoteCLIP and GeoRSCLIP.
_ORIGINAL = TensorLayout(
    title="the original CLIP",
    marks=("token_embedding.",),
    example="transformer.resblocks.N.*",
    rows=_ORIGINAL_ROWS,
    other_prefixes=_NOT_TEXT,
)
TEXT_LAYOUT = TensorLayout(
    title="transformers' CLIP",
    marks=("text_model.",),
    example="text_model.encoder.layers.N.*",
    rows=_TRANSFORMERS_ROWS,
    other_prefixes=_NOT_TEXT,
)
_VISUAL_MARKS = ("visual.", "vision_model.", "embeddings.patch_embedding.", "conv1.", "layers.", "pre_layrnorm.")


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageProjection:
    """The last norm of the visual tower, and its map into the space of texts.

    Attributes:
        norm_weight: Gain of the norm (D).
        norm_bias: Offset of the norm (D).
        weight: The map (C, D); it has no bias.
    """

    norm_weight: Tensor
    norm_bias: Tensor
    weight: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFile:
    """The language side of a file, fp32 or as stored.

    Attributes:
        path: The file, for messages.
        text: Tensors of the text tower, under the names of `TextTower`; every entry of the vocabulary has a row.
        image: The map of image features; None where the file has no visual tower.
        log_scale: Logarithm of CLIP's scale of cosines; None where the file has none.
        known_ids: Entries of the vocabulary that the file has rows for, ascending, int64; None where it has all. See
            `rs_adapt.language.token_rows`.
    """

    path: Path
    text: Mapping[str, Tensor]
    image: ImageProjection | None
    log_scale: float | None
    known_ids: Tensor | None = None


def read_clip(path: str | Path) -> ClipFile:
    """Read text tower and image projection of a file of CLIP.

    Accepted: OpenAI's TorchScript archive, of which only tensors are read; a state dict with the same names, as
    open_clip writes them, also below `module.` or with the text tower below `text.`; a folder or safetensors file of
    transformers' `CLIPModel` or `CLIPTextModelWithProjection`, also with the rows of some tokens alone.

    Raises:
        WeightsError: If the path is missing or damaged, or the file has no text tower.
    """
    path = Path(path).expanduser()
    if not os.path.exists(path):
        raise missing_weights(path, None)
    # The check before a run and the head that is built for it both need it, and the file holds the visual tower too.
    return read_once(path, "language side of CLIP", _read)


def _read(path: Path) -> ClipFile:
    tensors = {name.removeprefix("text."): value for name, value in read_model(path, ("module.",)).items()}
    layout = next((one for one in (TEXT_LAYOUT, _ORIGINAL) if _has(tensors, one.marks)), None)
    if layout is None:
        raise WeightsError(f"{path} {_describe_lack(tensors)} Name a file of the whole CLIP: text and visual tower.")
    try:
        text = rename_by_layout(tensors, layout, noun="'s text tower")
        if layout is _ORIGINAL and PROJECTION in text:
            # It is stored as (W, C), for products from the left.
            text[PROJECTION] = text[PROJECTION].T
        require_whole(text, _NEEDED, model="CLIP text tower")
        _check_shapes(text)
        known_ids = tensors.get(TOKEN_IDS)
        if known_ids is not None:
            text[TOKENS] = spread_rows(text[TOKENS], known_ids)
        image = _image_projection(tensors, is_original=layout is _ORIGINAL)
        scale = tensors.get("logit_scale")
        check_finite(text | ({} if scale is None else {"logit_scale": scale}))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return ClipFile(
        path=path,
        text=text,
        image=image,
        log_scale=None if scale is None else float(scale),
        known_ids=None if known_ids is None else known_ids.long(),
    )


def _has(tensors: Mapping[str, Tensor], starts: tuple[str, ...]) -> bool:
    return any(name.startswith(starts) for name in tensors)


def _describe_lack(tensors: Mapping[str, Tensor]) -> str:
    if _has(tensors, _VISUAL_MARKS):
        return "holds a visual tower alone and no text tower."
    return f"holds no text tower of CLIP: its tensors are named {', '.join(list(tensors)[:3]) or '(none)'}."


def _check_shapes(text: Mapping[str, Tensor]) -> None:
    width = text[TOKENS].shape[-1]
    for name in (TOKENS, POSITIONS, PROJECTION):
        shape = tuple(text[name].shape)
        if len(shape) != 2 or 0 in shape or shape[1] != width:
            raise WeightsError(f"{name} has shape {shape}; a matrix with {width} columns is expected.")


def _image_projection(tensors: Mapping[str, Tensor], *, is_original: bool) -> ImageProjection | None:
    norm = "visual.ln_post" if is_original else "vision_model.post_layernorm"
    weight = tensors.get("visual.proj" if is_original else "visual_projection.weight")
    gain, offset = tensors.get(f"{norm}.weight"), tensors.get(f"{norm}.bias")
    if weight is None or gain is None or offset is None:
        return None
    if weight.ndim != 2:
        raise WeightsError(f"the map of image features has shape {tuple(weight.shape)}; a matrix is expected.")
    check_finite({"visual projection": weight, "visual norm's gain": gain, "visual norm's offset": offset})
    return ImageProjection(norm_weight=gain, norm_bias=offset, weight=weight.T if is_original else weight)
