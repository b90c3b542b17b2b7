"""Images for super-resolution as data sets of mmengine: a stream of training images, and the images of a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from rs_adapt.datasets.spreading import evenly_spread
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import DATASETS
from rs_adapt.superresolution.images import FlowImages, Pair
from rs_adapt.turbulence.degrade import Degradation
from rs_adapt.turbulence.storage import Split

Sample = dict[str, Any]


@DATASETS.register_module()
class FlowStream(Dataset[Sample]):
    """Training images without end: image n is a function of the seed and n. For `rs_adapt.DrawSampler`.

    Args:
        folder: See `FlowImages`.
        scale: See `FlowImages`.
        degradation: "box" or "spectral".
        num_snapshots: See `FlowImages`.
        seed: Seed of the draws.
        crop_px: See `FlowImages`.
    """

    def __init__(
        self,
        *,
        folder: str,
        scale: int,
        degradation: str,
        num_snapshots: int | None,
        seed: int,
        crop_px: int | None = None,
    ) -> None:
        operator = Degradation(degradation)
        self.images = FlowImages(
            Path(folder), split="train", scale=scale, operator=operator, num_snapshots=num_snapshots, crop_px=crop_px
        )
        self.seed = seed

    def __len__(self) -> int:
        """Return the number of images that draws are made of."""
        return len(self.images)

    def __getitem__(self, draw: int) -> Sample:
        """Return a training image by the number of its draw, from 0 without end."""
        return _sample(self.images.draw(self.seed, draw))


@DATASETS.register_module()
class FlowSplit(Dataset[Sample]):
    """The images of a split, as they are.

    Args:
        folder: See `FlowImages`.
        split: See `FlowImages`.
        scale: See `FlowImages`.
        degradation: "box" or "spectral".
        spread: Keep at most so many images, 1 or more, spread evenly; None keeps all.
    """

    def __init__(self, *, folder: str, split: Split, scale: int, degradation: str, spread: int | None = None) -> None:
        if spread is not None:
            check_ranges(f"{folder}/{split}", spread=(spread, COUNT))
        self.images = FlowImages(Path(folder), split=split, scale=scale, operator=Degradation(degradation))
        count = len(self.images)
        self._kept = evenly_spread(count, count if spread is None else spread)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._kept)

    def __getitem__(self, index: int) -> Sample:
        """Return an image."""
        return _sample(self.images.pair(self._kept[index]))


def _sample(pair: Pair) -> Sample:
    return {
        "coarse": torch.from_numpy(pair.coarse_3hw),
        "fine": torch.from_numpy(pair.fine_3HW),
        "name": pair.name,
        "snapshot": pair.snapshot,
    }
