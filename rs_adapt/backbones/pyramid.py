"""The base of all pyramids: convolutional and hierarchical models in four stages, each a map of half the resolution.

They are small and fast where a ViT is not, and have no blocks of one width that adapters could act on: they train in
full, or stay frozen below a head that trains. The parts are those of `transformers`.

Shapes: B batch, C channels of a map, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rs_adapt.backbones.backbone import Backbone
from rs_adapt.backbones.conversion import Names
from rs_adapt.backbones.features import Features
from rs_adapt.backbones.filling import fill_from_state
from rs_adapt.backbones.weights import load_state
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.ranges import COUNT, check_numbers

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter
    from rs_adapt.config.facts import ConfigNode

_STRIDES_PX = (4, 8, 16, 32)


class Pyramid(Backbone):
    """Base of the backbones in stages: they return the output of each stage, at strides of 4, 8, 16 and 32 pixels.

    Args:
        parts: Makes the modules; it is called on the meta device.
        names: Names of the family's tensors.
        widths: Channels of the four maps, finest first.
        adapter: None: a pyramid takes no adapter. It is here because every backbone has the argument.
        frozen: Whether its tensors stay as they are; False trains all of them.
        weights: Path of a file that `load_state` reads; None or "random" for random weights, the same in every process.

    Raises:
        ConfigError: If there are not four widths.
        IncompatibleCell: If there is an adapter.
        WeightsError: If the weights are missing, damaged or of a different size.
    """

    patch_px = _STRIDES_PX[-1]
    level_scales = tuple(_STRIDES_PX[-1] / stride_px for stride_px in _STRIDES_PX)

    def __init__(
        self,
        *,
        parts: Callable[[], Mapping[str, nn.Module]],
        names: Names,
        widths: Sequence[int],
        adapter: Adapter | ConfigNode | None,
        frozen: bool,
        weights: str | Path | None,
    ) -> None:
        super().__init__()
        check_stages(widths=widths)
        if adapter is not None:
            raise IncompatibleCell(
                f"{names.family} takes no adapter: it has no blocks of one width that a method could change. Use "
                "--method full or frozen, or a ViT as backbone."
            )
        self.names, self.level_channels, self.frozen, self.adapter = names, tuple(widths), frozen, None
        self._make(parts, weights)
        self.train()

    def maps(self, x_B3HW: Tensor) -> list[Tensor]:
        """Return the output of each stage, (B, C, H/4, W/4) first."""
        raise NotImplementedError

    def forward(self, x_B3HW: Tensor) -> Features:
        """Compute the feature maps.

        Args:
            x_B3HW: Normalised images (B, 3, H, W), float; H and W are multiples of 32.

        Returns:
            Maps (B, C, H/s, W/s) for the strides s of 4, 8, 16 and 32, with C of `widths`.

        Raises:
            DataError: If H or W is not a multiple of 32.
        """
        self.grid(x_B3HW)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return Features(self.maps(x_B3HW))

    def fill_from_file(self, path: Path) -> str:
        """Fill the pyramid from a weights file; see `Backbone`."""
        state = load_state(path, self.names)
        tensors = self.state_dict(keep_vars=True)
        return fill_from_state(tensors, source=state, fitted=state, path=path, ours=f"this {self.names.family}")

    def fill_constants(self) -> None:
        """Give batch norms the statistics of new ones; a file has its own."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()


def check_stages(**lists: Sequence[int]) -> None:
    """Refuse lists of sizes that are not four whole numbers from 1, one for each stage.

    Args:
        **lists: Lists by the name of the argument.

    Raises:
        ConfigError: A list has a different length, or holds something else.
    """
    check_numbers("model.backbone.", COUNT, dict(lists), length=len(_STRIDES_PX))


def check_heads(widths: Sequence[int], heads: Sequence[int]) -> None:
    """Refuse widths that do not divide into attention heads.

    Raises:
        ConfigError: A width is not a multiple of its number of heads.
    """
    for width, number in zip(widths, heads, strict=True):
        if width % number:
            raise ConfigError(
                f"model.backbone: a width of {width} does not divide into {number} attention heads ({list(widths)} by "
                f"{list(heads)}). Give each stage a width that is a multiple of its heads."
            )
