"""Tensor names of Mask2Former heads: mmdetection's layout, in which checkpoints are published, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from rs_adapt.backbones.renaming import pattern, translate
from rs_adapt.errors import ConfigError

_ENCODER = "pixel_decoder.encoder.layers.#."
_DECODER = "transformer_decoder.layers.#."

# Template of mmdetection's name, ours; see `rs_adapt.backbones.renaming`.
_ROWS: list[tuple[str, str]] = [
    *((f"{name}.weight", f"{name}.weight") for name in ("query_embed", "query_feat", "level_embed")),
    ("cls_embed.*", "cls_embed.*"),
    *((f"mask_embed.{2 * i}.*", f"decoder.mask_predictor.mask_embedder.{i}.0.*") for i in range(3)),
    ("pixel_decoder.level_encoding.weight", "pixel_decoder.level_embed"),
    ("pixel_decoder.mask_feature.*", "pixel_decoder.mask_projection.*"),
    ("pixel_decoder.input_convs.#.conv.*", "pixel_decoder.input_projections.#.0.*"),
    ("pixel_decoder.input_convs.#.gn.*", "pixel_decoder.input_projections.#.1.*"),
    ("pixel_decoder.lateral_convs.0.conv.weight", "pixel_decoder.adapter_1.0.weight"),
    ("pixel_decoder.lateral_convs.0.gn.*", "pixel_decoder.adapter_1.1.*"),
    ("pixel_decoder.output_convs.0.conv.weight", "pixel_decoder.layer_1.0.weight"),
    ("pixel_decoder.output_convs.0.gn.*", "pixel_decoder.layer_1.1.*"),
    *(
        (f"{_ENCODER}self_attn.{part}.*", f"{_ENCODER}self_attn.{part}.*")
        for part in ("attention_weights", "output_proj", "sampling_offsets", "value_proj")
    ),
    (f"{_ENCODER}norms.0.*", f"{_ENCODER}self_attn_layer_norm.*"),
    (f"{_ENCODER}norms.1.*", f"{_ENCODER}final_layer_norm.*"),
    (f"{_ENCODER}ffn.layers.0.0.*", f"{_ENCODER}fc1.*"),
    (f"{_ENCODER}ffn.layers.1.*", f"{_ENCODER}fc2.*"),
    ("transformer_decoder.post_norm.*", "decoder.layernorm.*"),
    (f"{_DECODER}cross_attn.attn.in_proj_*", "decoder.layers.#.cross_attn.in_proj_*"),
    (f"{_DECODER}cross_attn.attn.out_proj.*", "decoder.layers.#.cross_attn.out_proj.*"),
    (f"{_DECODER}self_attn.attn.out_proj.*", "decoder.layers.#.self_attn.out_proj.*"),
    (f"{_DECODER}norms.0.*", "decoder.layers.#.cross_attn_layer_norm.*"),
    (f"{_DECODER}norms.1.*", "decoder.layers.#.self_attn_layer_norm.*"),
    (f"{_DECODER}norms.2.*", "decoder.layers.#.final_layer_norm.*"),
    (f"{_DECODER}ffn.layers.0.0.*", "decoder.layers.#.fc1.*"),
    (f"{_DECODER}ffn.layers.1.*", "decoder.layers.#.fc2.*"),
]
# mmdetection stacks q, k and v of self attention in one tensor.
_STACKED = f"{_DECODER}self_attn.attn.in_proj_*"
_PARTS = tuple(f"decoder.layers.#.self_attn.{part}_proj.*" for part in "qkv")
_INVERSE_ROWS = [(ours, theirs) for theirs, ours in _ROWS]
# The classifier that every decode head of mmsegmentation's base class owns; Mask2Former never calls it.
_UNUSED = "conv_seg.*"
# Deformable attention samples four points on each of three levels.
_POINTS = 12


def convert_mmdet_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of one head; values do not change, stacked q/k/v projections of self attention are split.

    Args:
        state: Tensors under mmdetection's names, without the prefix of the head. Any subset of layers.

    Raises:
        ConfigError: If a name does not belong to a Mask2Former head.
    """
    converted: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, value in state.items():
        if re.fullmatch(pattern(_UNUSED), name):
            continue
        if re.fullmatch(pattern(_STACKED), name):
            for part, tensor in zip(_PARTS, value.chunk(3), strict=True):
                # A clone: three views of one storage cannot be saved as safetensors.
                converted[str(translate(name, [(_STACKED, part)]))] = tensor.clone()
            continue
        ours = translate(name, _ROWS)
        if ours is None:
            unknown.append(name)
        else:
            converted[ours] = value
    if unknown:
        raise ConfigError(
            f"{len(unknown)} tensor names are not mmdetection's Mask2Former names, the first are {unknown[:3]}. "
            "Pass the tensors of the decode head only, without its prefix (such as `decode_head.`)."
        )
    return converted


def to_mmdet_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of one head to mmdetection's layout: the inverse of `convert_mmdet_names`.

    Args:
        state: The state dict of a `Mask2FormerHead`.
    """
    theirs: dict[str, Tensor] = {}
    for name, value in state.items():
        if single := translate(name, _INVERSE_ROWS):
            theirs[single] = value
        elif stacked := translate(name, [(_PARTS[0], _STACKED)]):
            parts = [state[str(translate(name, [(_PARTS[0], part)]))] for part in _PARTS]
            theirs[stacked] = torch.cat(parts)
        else:
            assert any(translate(name, [(part, _STACKED)]) for part in _PARTS), name
    return theirs


def read_mmdet_settings(state: Mapping[str, Tensor]) -> dict[str, int | list[int]]:
    """Read the sizes of a head from the shapes of its tensors.

    Args:
        state: Tensors under mmdetection's names, without the prefix of the head.

    Returns:
        `in_channels` of the four levels, finest first, `num_classes`, `channels`, `num_queries`, `encoder_layers`,
        `decoder_layers`, `num_heads`, `encoder_ffn` and `decoder_ffn` of `Mask2FormerHead`.

    Raises:
        ConfigError: If a tensor that determines a size is missing or has the wrong number of dimensions.
    """

    def shape(name: str, dims: int = 2) -> tuple[int, ...]:
        if name not in state:
            raise ConfigError(f"the Mask2Former head lacks {name}.")
        if state[name].ndim != dims:
            raise ConfigError(
                f"{name} of the Mask2Former head has shape {tuple(state[name].shape)}, not {dims} dimensions."
            )
        return tuple(state[name].shape)

    def count_layers(stem: str) -> int:
        return len({match[1] for name in state if (match := re.match(rf"{re.escape(stem)}\.(\d+)\.", name))})

    levels = count_layers("pixel_decoder.input_convs")
    # mmdetection has the coarsest level first; the finest has its own branch (`lateral_convs`).
    coarse = [shape(f"pixel_decoder.input_convs.{i}.conv.weight", 4)[1] for i in range(levels)]
    num_queries, channels = shape("query_feat.weight")
    return {
        "in_channels": [shape("pixel_decoder.lateral_convs.0.conv.weight", 4)[1], *reversed(coarse)],
        "num_classes": shape("cls_embed.weight")[0] - 1,
        "channels": channels,
        "num_queries": num_queries,
        "encoder_layers": count_layers("pixel_decoder.encoder.layers"),
        "decoder_layers": count_layers("transformer_decoder.layers"),
        "num_heads": max(1, shape(f"{_ENCODER.replace('#', '0')}self_attn.attention_weights.weight")[0] // _POINTS),
        "encoder_ffn": shape(f"{_ENCODER.replace('#', '0')}ffn.layers.0.0.weight")[0],
        "decoder_ffn": shape(f"{_DECODER.replace('#', '0')}ffn.layers.0.0.weight")[0],
    }
