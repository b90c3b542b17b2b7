"""MobileViT, convolutions with transformers between them: Mehta and Rastegari, ICLR 2022, arXiv 2110.02178."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rs_adapt.backbones.conversion import Names, Row, TensorLayout
from rs_adapt.backbones.pyramid import Pyramid, check_heads, check_stages
from rs_adapt.config.facts import ConfigNode
from rs_adapt.ranges import COUNT, POSITIVE, check_numbers, check_ranges
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_HEADS = 4
_LAYER = "encoder.layer.#"
# Places of a convolution with its batch norm.
_CONVOLUTIONS = (
    "conv_stem",
    *(f"{_LAYER}.layer.#.{part}" for part in ("expand_1x1", "conv_3x3", "reduce_1x1")),
    *(f"{_LAYER}.downsampling_layer.{part}" for part in ("expand_1x1", "conv_3x3", "reduce_1x1")),
    *(f"{_LAYER}.{part}" for part in ("conv_kxk", "conv_1x1", "conv_projection", "fusion")),
)
_NORM = ("*", "running_mean", "running_var", "num_batches_tracked")
_BLOCK = f"{_LAYER}.transformer.layer.#"
_BLOCK_PARTS = (
    *(f"attention.attention.{part}" for part in ("query", "key", "value")),
    *("attention.output.dense", "intermediate.dense", "output.dense", "layernorm_before", "layernorm_after"),
)
_OURS = (
    *(f"{place}.convolution.weight" for place in _CONVOLUTIONS),
    *(f"{place}.normalization.{part}" for place in _CONVOLUTIONS for part in _NORM),
    *(f"{_BLOCK}.{part}.*" for part in _BLOCK_PARTS),
    f"{_LAYER}.layernorm.*",
)
# The published names are those of the modules. The last convolution widens the map for classification.
_ROWS: list[Row] = [
    *((name, (name,)) for name in _OURS),
    ("conv_1x1_exp.convolution.weight", ()),
    *((f"conv_1x1_exp.normalization.{part}", ()) for part in _NORM),
]
_LAYOUT = TensorLayout(title="transformers' MobileViT", marks=("conv_stem.",), example="encoder.layer.N.*", rows=_ROWS)

NAMES = Names(
    family="MobileViT",
    original=_LAYOUT,
    transformers=_LAYOUT,
    prefixes=("mobilevit.",),
    kernel="conv_stem.convolution.weight",
    positions=None,
    tokens=(),
    embeddings=(),
    sizes={},
    in_stages=True,
)


@MODELS.register_module()
class MobileVit(Pyramid):
    """A MobileViT; it has batch norms, so it trains in one process and wants more than a few images in a batch.

    Args:
        widths: Channels of the maps at strides 4 to 32.
        stem_widths: Channels of the stem and of the first stage, at stride 2.
        block_widths: Width of the transformer blocks at strides 8, 16 and 32, multiples of 4.
        expand_ratio: Factor by which inverted residuals widen their input, above 0.
        adapter: None; see `Pyramid`.
        frozen: See `Pyramid`.
        weights: See `Pyramid`.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        stem_widths: Sequence[int],
        block_widths: Sequence[int],
        expand_ratio: float = 4.0,
        adapter: Adapter | ConfigNode | None = None,
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the stages and fill them."""
        check_stages(widths=widths)
        check_numbers("model.backbone.", COUNT, {"stem_widths": stem_widths}, length=2)
        check_numbers("model.backbone.", COUNT, {"block_widths": block_widths}, length=3)
        check_ranges("model.backbone.", expand_ratio=(expand_ratio, POSITIVE))
        check_heads(block_widths, [_HEADS] * len(block_widths))

        def parts() -> Mapping[str, nn.Module]:
            # Imported here: transformers takes seconds.
            from transformers.models.mobilevit import configuration_mobilevit, modeling_mobilevit

            config = configuration_mobilevit.MobileViTConfig(
                hidden_sizes=list(block_widths),
                # The last is the width of the map for classification, which is not built.
                neck_hidden_sizes=[*stem_widths, *widths, widths[-1]],
                num_attention_heads=_HEADS,
                expand_ratio=expand_ratio,
                hidden_dropout_prob=0.0,
            )
            model = modeling_mobilevit.MobileViTModel(config, expand_output=False)
            return {"conv_stem": model.conv_stem, "encoder": model.encoder}

        super().__init__(parts=parts, names=NAMES, widths=widths, adapter=adapter, frozen=frozen, weights=weights)

    def maps(self, x_B3HW: Tensor) -> list[Tensor]:
        """Return the outputs at strides 4 to 32."""
        # The published weights are of images in the order blue, green, red.
        maps: list[Tensor] = [self.get_submodule("conv_stem")(x_B3HW.flip(1))]
        for layer in self.get_submodule("encoder.layer").children():
            maps.append(layer(maps[-1]))
        return maps[2:]
