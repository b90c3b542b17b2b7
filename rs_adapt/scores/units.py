"""Confusion matrices summed by image, scene or city."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import ScoresError
from rs_adapt.scores.per_image import PerImage

BY = ("image", "scene", "city")
PLURAL = {"image": "images", "scene": "scenes", "city": "cities"}


@dataclass(frozen=True, kw_only=True)
class Units:
    """U groups of images.

    Args:
        by: "image", "scene" or "city".
        names: U names, sorted; a scene of a known city is `city/scene`, since cities may use the same names.
        images_U: Number of images in each (int64).
        counts_UKK: Sums (int64) of their matrices.
    """

    by: str
    names: tuple[str, ...]
    images_U: NDArray[np.int64]
    counts_UKK: NDArray[np.int64]


def units_of(per_image: PerImage, by: str = "auto") -> Units:
    """Sum matrices by unit.

    Args:
        per_image: The matrices.
        by: "image", "scene", "city", or "auto": scenes where every tile has one, else images.

    Raises:
        ScoresError: `by` is "scene" or "city", and some tiles have none.
    """
    if by == "auto":
        by = "scene" if per_image.tiles and all(per_image.scenes) else "image"
    keys = _keys(per_image, by)
    names, place_N = np.unique(np.array(keys, dtype=object), return_inverse=True)
    k = len(per_image.classes)
    counts_UKK = np.zeros((len(names), k, k), dtype=np.int64)
    np.add.at(counts_UKK, place_N, per_image.counts_NKK)
    images_U = np.bincount(place_N, minlength=len(names)).astype(np.int64)
    return Units(by=by, names=tuple(str(name) for name in names), images_U=images_U, counts_UKK=counts_UKK)


def _keys(per_image: PerImage, by: str) -> tuple[str, ...]:
    if by == "image":
        return per_image.tiles
    assert by in BY
    names = per_image.scenes if by == "scene" else per_image.cities
    if unknown := sum(not name for name in names):
        raise ScoresError(
            f"{unknown} of {len(names)} images have no known {by}, so they cannot be grouped by {by}. Group by image, "
            "or score a bench that states it."
        )
    if by == "city":
        return names
    pairs = zip(per_image.cities, names, strict=True)
    return tuple(f"{city}/{scene}" if city else scene for city, scene in pairs)
