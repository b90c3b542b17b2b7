"""Tensor names of Mask2Former heads: from mmdetection's layout, in which checkpoints are published, to ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from rs_adapt.errors import ConfigError

_END = r"\.(weight|bias)"
_ENCODER = r"pixel_decoder\.encoder\.layers\.(\d+)\."
_DECODER = r"transformer_decoder\.layers\.(\d+)\."

# Pattern of mmdetection's name -> ours. Groups are numbered as they appear.
_RULES: tuple[tuple[str, str], ...] = (
    (r"(query_embed|query_feat|level_embed)\.weight", r"\1.weight"),
    (r"cls_embed" + _END, r"cls_embed.\1"),
    (r"mask_embed\.0" + _END, r"decoder.mask_predictor.mask_embedder.0.0.\1"),
    (r"mask_embed\.2" + _END, r"decoder.mask_predictor.mask_embedder.1.0.\1"),
    (r"mask_embed\.4" + _END, r"decoder.mask_predictor.mask_embedder.2.0.\1"),
    (r"pixel_decoder\.level_encoding\.weight", r"pixel_decoder.level_embed"),
    (r"pixel_decoder\.mask_feature" + _END, r"pixel_decoder.mask_projection.\1"),
    (r"pixel_decoder\.input_convs\.(\d+)\.conv" + _END, r"pixel_decoder.input_projections.\1.0.\2"),
    (r"pixel_decoder\.input_convs\.(\d+)\.gn" + _END, r"pixel_decoder.input_projections.\1.1.\2"),
    (r"pixel_decoder\.lateral_convs\.0\.conv\.weight", r"pixel_decoder.adapter_1.0.weight"),
    (r"pixel_decoder\.lateral_convs\.0\.gn" + _END, r"pixel_decoder.adapter_1.1.\1"),
    (r"pixel_decoder\.output_convs\.0\.conv\.weight", r"pixel_decoder.layer_1.0.weight"),
    (r"pixel_decoder\.output_convs\.0\.gn" + _END, r"pixel_decoder.layer_1.1.\1"),
    (
        _ENCODER + r"self_attn\.(attention_weights|output_proj|sampling_offsets|value_proj)" + _END,
        r"pixel_decoder.encoder.layers.\1.self_attn.\2.\3",
    ),
    (_ENCODER + r"norms\.0" + _END, r"pixel_decoder.encoder.layers.\1.self_attn_layer_norm.\2"),
    (_ENCODER + r"norms\.1" + _END, r"pixel_decoder.encoder.layers.\1.final_layer_norm.\2"),
    (_ENCODER + r"ffn\.layers\.0\.0" + _END, r"pixel_decoder.encoder.layers.\1.fc1.\2"),
    (_ENCODER + r"ffn\.layers\.1" + _END, r"pixel_decoder.encoder.layers.\1.fc2.\2"),
    (r"transformer_decoder\.post_norm" + _END, r"decoder.layernorm.\1"),
    (_DECODER + r"cross_attn\.attn\.in_proj_(weight|bias)", r"decoder.layers.\1.cross_attn.in_proj_\2"),
    (_DECODER + r"cross_attn\.attn\.out_proj" + _END, r"decoder.layers.\1.cross_attn.out_proj.\2"),
    (_DECODER + r"self_attn\.attn\.out_proj" + _END, r"decoder.layers.\1.self_attn.out_proj.\2"),
    (_DECODER + r"norms\.0" + _END, r"decoder.layers.\1.cross_attn_layer_norm.\2"),
    (_DECODER + r"norms\.1" + _END, r"decoder.layers.\1.self_attn_layer_norm.\2"),
    (_DECODER + r"norms\.2" + _END, r"decoder.layers.\1.final_layer_norm.\2"),
    (_DECODER + r"ffn\.layers\.0\.0" + _END, r"decoder.layers.\1.fc1.\2"),
    (_DECODER + r"ffn\.layers\.1" + _END, r"decoder.layers.\1.fc2.\2"),
)
_STACKED = re.compile(_DECODER + r"self_attn\.attn\.in_proj_(weight|bias)")
# The classifier that every decode head of mmsegmentation's base class owns; Mask2Former never calls it.
_UNUSED = re.compile(r"conv_seg\.(weight|bias)")


def convert_mmdet_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of one head; values are kept, stacked q/k/v projections of self attention are split.

    Args:
        state: Tensors under mmdetection's names, without the prefix of the head. Any subset of layers.

    Raises:
        ConfigError: If a name belongs to no part of a Mask2Former head.
    """
    converted: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, value in state.items():
        if _UNUSED.fullmatch(name):
            continue
        stacked = _STACKED.fullmatch(name)
        if stacked:
            for part, tensor in zip("qkv", value.chunk(3), strict=True):
                # A clone: three views of one storage cannot be saved as safetensors.
                converted[f"decoder.layers.{stacked[1]}.self_attn.{part}_proj.{stacked[2]}"] = tensor.clone()
            continue
        ours = _rename(name)
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


def _rename(name: str) -> str | None:
    for pattern, ours in _RULES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    return None
