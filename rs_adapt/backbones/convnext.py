"""ConvNeXt, a convolutional network in the manner of transformers: Liu et al., CVPR 2022, arXiv 2201.03545."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rs_adapt.backbones.conversion import Names, Row, TensorLayout
from rs_adapt.backbones.pyramid import Pyramid, check_stages
from rs_adapt.config.facts import ConfigNode
from rs_adapt.registry import MODELS

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter

_BLOCK = "stages.#.layers.#"
_PLAIN = ("dwconv.*", "pwconv1.*", "pwconv2.*")
# In the authors' files the patches are the first of four steps down, and those between stages have their norm first.
_ORIGINAL_ROWS: list[Row] = [
    ("downsample_layers.0.0.*", ("embeddings.patch_embeddings.*",)),
    ("downsample_layers.0.1.*", ("embeddings.layernorm.*",)),
    ("downsample_layers.#.#.*", ("stages.#.downsampling_layer.#.*",)),
    *((f"stages.#.#.{part}", (f"{_BLOCK}.{part}",)) for part in _PLAIN),
    ("stages.#.#.norm.*", (f"{_BLOCK}.layernorm.*",)),
    ("stages.#.#.gamma", (f"{_BLOCK}.layer_scale_parameter",)),
    ("norm.*", ()),
    ("head.*", ()),
]
_TRANSFORMERS_ROWS: list[Row] = [
    *((f"embeddings.{part}.*", (f"embeddings.{part}.*",)) for part in ("patch_embeddings", "layernorm")),
    ("encoder.stages.#.downsampling_layer.#.*", ("stages.#.downsampling_layer.#.*",)),
    *(
        (f"encoder.{_BLOCK}.{part}", (f"{_BLOCK}.{part}",))
        for part in (*_PLAIN, "layernorm.*", "layer_scale_parameter")
    ),
    ("layernorm.*", ()),
]

NAMES = Names(
    family="ConvNeXt",
    original=TensorLayout(
        title="the original ConvNeXt",
        marks=("downsample_layers.",),
        example="stages.N.N.*",
        rows=_ORIGINAL_ROWS,
    ),
    transformers=TensorLayout(
        title="transformers' ConvNeXt",
        marks=("embeddings.", "encoder."),
        example="encoder.stages.N.layers.N.*",
        rows=_TRANSFORMERS_ROWS,
    ),
    prefixes=("convnext.",),
    kernel="embeddings.patch_embeddings.weight",
    positions=None,
    tokens=(),
    embeddings=(),
    sizes={},
    in_stages=True,
)


@MODELS.register_module()
class ConvNext(Pyramid):
    """A ConvNeXt; its maps are the outputs of the stages, which heads normalise themselves.

    Args:
        widths: Channels of the four stages.
        depths: Blocks of each stage.
        adapter: None; see `Pyramid`.
        frozen: See `Pyramid`.
        weights: See `Pyramid`. Random ones have layer scales of 1 instead of the 1e-6 of training from scratch: the
            blocks of a small network would begin without effect.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int],
        depths: Sequence[int],
        adapter: Adapter | ConfigNode | None = None,
        frozen: bool = True,
        weights: str | Path | None = None,
    ) -> None:
        """Build the stages and fill them."""
        check_stages(widths=widths, depths=depths)

        def parts() -> Mapping[str, nn.Module]:
            # Imported here: transformers takes seconds.
            from transformers.models.convnext import configuration_convnext, modeling_convnext

            config = configuration_convnext.ConvNextConfig(hidden_sizes=list(widths), depths=list(depths))
            model = modeling_convnext.ConvNextModel(config)
            return {"embeddings": model.embeddings, "stages": model.encoder.stages}

        super().__init__(parts=parts, names=NAMES, widths=widths, adapter=adapter, frozen=frozen, weights=weights)

    def maps(self, x_B3HW: Tensor) -> list[Tensor]:
        """Return the output of each stage."""
        x_BChw: Tensor = self.get_submodule("embeddings")(x_B3HW)
        maps: list[Tensor] = []
        for stage in self.get_submodule("stages").children():
            x_BChw = stage(x_BChw)
            maps.append(x_BChw)
        return maps
