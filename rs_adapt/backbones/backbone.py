"""The base of all backbones: how their parts are made and filled, and by which hash packs name their weights.

`Vit` and `Pyramid` are its two kinds. What the rest of the package asks of a backbone is here; adapters ask more, which
a ViT alone has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor, nn

from rs_adapt.backbones.conversion import Names
from rs_adapt.backbones.filling import fill_random
from rs_adapt.backbones.weights import RANDOM, tensors_sha256
from rs_adapt.errors import DataError, WeightsError

if TYPE_CHECKING:
    from rs_adapt.adapters import Adapter


class Backbone(nn.Module):
    """A model that turns normalised images into four feature maps, finest first.

    It has no `init_weights`: mmengine would call it after the weights are loaded.

    Attributes:
        names: Names of the family's tensors.
        patch_px: Number of pixels that the sides of images are multiples of.
        level_channels: Channels of each map.
        level_scales: Size of each map relative to the grid of patches.
        frozen: Whether its own tensors stay as they are.
        adapter: The adapter inside, if there is one.
    """

    names: Names
    patch_px: int
    level_channels: tuple[int, ...]
    level_scales: tuple[float, ...]
    frozen: bool
    adapter: Adapter | None

    def _make(self, parts: Callable[[], Mapping[str, nn.Module]], weights: str | Path | None) -> None:
        """Make the parts, and fill them from a file or at random; on the meta device nothing has values."""
        device = torch.empty(0).device
        # On "meta" nothing is allocated or drawn, so transformers' own initialisation costs nothing.
        with torch.device("meta"):
            for name, module in parts().items():
                self.add_module(name, module)
        if device.type != "meta":
            self.to_empty(device=device)
            self.fill_constants()
            if weights is None or str(weights) == RANDOM:
                self._filled_sha256 = fill_random(dict(self.named_parameters()), self.names.embeddings)
            else:
                self._filled_sha256 = self.fill_from_file(Path(weights))
        # Taken before an adapter wraps anything: these tensors, under these names, are the base.
        self._base_params: dict[str, nn.Parameter] = dict(self.named_parameters())
        self._filled_versions = self._versions()
        self.requires_grad_(not self.frozen)

    def fill_constants(self) -> None:
        """Set buffers that no file contains, where the family has any."""

    def fill_from_file(self, path: Path) -> str:
        """Fill the backbone from a weights file and return the file's hash; on the meta device, only check the file.

        Raises:
            WeightsError: The file is missing, damaged or of a different model.
        """
        raise NotImplementedError

    @contextmanager
    def without_adapter(self) -> Iterator[None]:
        """Make the backbone return the features of its base while the context lasts."""
        yield

    def train(self, mode: bool = True) -> Self:
        """Set the mode of the adapter, and of the backbone if it trains; a frozen one stays in eval mode."""
        super().train(mode)
        if self.frozen:
            adapter = getattr(self, "adapter", None)
            trainable = {self} if adapter is None else {self, *adapter.modules()}
            for module in self.modules():
                if module not in trainable:
                    module.training = False
        return self

    def base_sha256(self) -> str:
        """Return the SHA-256 of the tensors that the backbone was filled from (name, shape, fp32 bytes), no adapter's.

        The tensors are those of the file, before patch kernel and positions are resized: resizing rounds differently
        on different processors, and the same weights must have the same hash everywhere. Where weights were changed
        afterwards (`load_state_dict`, training), it is the hash of the current values.

        Raises:
            WeightsError: If the backbone was built on the meta device and has no values.
        """
        if any(param.is_meta for param in self._base_params.values()):
            raise WeightsError("This backbone was built without values (meta device): there is nothing to hash.")
        # In-place writes raise a tensor's version; moving to another device does not.
        if self._versions() == self._filled_versions:
            return self._filled_sha256
        return tensors_sha256(self._base_params)

    def base_parameters(self) -> dict[str, nn.Parameter]:
        """Return the backbone's own parameters, under their names without an adapter."""
        return dict(self._base_params)

    def take_base_parameters(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Replace the tensors of `base_parameters` by others with the same values, such as shards of them.

        Args:
            parameters: Parameters under the same names.
        """
        assert parameters.keys() == self._base_params.keys()
        # Taken now, because a shard alone cannot be hashed.
        self._filled_sha256 = self.base_sha256()
        self._base_params = dict(parameters)
        self._filled_versions = self._versions()

    def _versions(self) -> tuple[int, ...]:
        return tuple(param._version for param in self._base_params.values())

    def grid(self, x_B3HW: Tensor) -> tuple[int, int]:
        """Return rows and columns of the grid of patches of images.

        Raises:
            DataError: If the images do not divide into patches.
        """
        height, width = x_B3HW.shape[-2:]
        p = self.patch_px
        if height % p or width % p or not height or not width:
            valid = [f"{max(size // p, 1) * p} or {(size // p + 1) * p}" for size in (height, width)]
            raise DataError(
                f"An image of {height} x {width} px does not divide into patches of {p} px. "
                f"Nearest valid: height {valid[0]}, width {valid[1]}."
            )
        return height // p, width // p
