"""The tiles and windows in which two maps differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.judging.pairs import PairPrediction


@dataclass(frozen=True, kw_only=True)
class View:
    """A tile or window for a picture.

    Attributes:
        image: Name of the tile or file of the scene.
        left_px: First column in the scene.
        top_px: First row in the scene.
        share: Share of its valid pixels in which the two maps differ.
        most: Class of AGAINST and class of RUN of the most frequent difference.
        pixels_HW3: The image, uint8 RGB.
        run_HW: Classes of RUN, uint8; 255 where there is no image.
        against_HW: Classes of AGAINST, likewise.
    """

    image: str
    left_px: int
    top_px: int
    share: float
    most: tuple[int, int]
    pixels_HW3: NDArray[np.uint8]
    run_HW: NDArray[np.uint8]
    against_HW: NDArray[np.uint8]


class LargestDifferences:
    """Collects the images with the most differing pixels.

    Args:
        count: Number of images.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._views: list[tuple[int, View]] = []

    def add(self, pair: PairPrediction) -> None:
        """Offer an image, which is read only if it is among the largest differences so far."""
        num_differing = int(pair.differs_HW.sum())
        if not num_differing or not self._count:
            return
        if len(self._views) == self._count and num_differing <= self._views[-1][0]:
            return
        codes_P = pair.against_HW[pair.differs_HW].astype(np.int64) * 256 + pair.run_HW[pair.differs_HW]
        before, after = divmod(int(np.bincount(codes_P).argmax()), 256)
        view = View(
            image=pair.image,
            left_px=pair.left_px,
            top_px=pair.top_px,
            share=num_differing / int(pair.valid_HW.sum()),
            most=(before, after),
            pixels_HW3=pair.read_pixels(),
            run_HW=np.where(pair.valid_HW, pair.run_HW, 255).astype(np.uint8),
            against_HW=np.where(pair.valid_HW, pair.against_HW, 255).astype(np.uint8),
        )
        self._views.append((num_differing, view))
        # Stable: of equal differences the one that came first is shown.
        self._views.sort(key=lambda entry: -entry[0])
        del self._views[self._count :]

    def views(self) -> tuple[View, ...]:
        """Return the images, largest difference first."""
        return tuple(view for _, view in self._views)
