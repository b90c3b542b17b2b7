"""What is to be seen on a tile, read from its maps and its pixels: covers, objects, colours (H/W pixels)."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.pretraining.crops import MATERIALS

# Covers that captions name, by the material of a pixel. Forest floor is seen between crowns, both are trees.
_COVER_OF = {
    "paved": "paved ground",
    "lawn": "lawn",
    "meadow": "meadow",
    "crop": "crops",
    "forest": "trees",
    "soil": "bare soil",
    "ploughed": "ploughed soil",
    "road": "road",
    "water": "water",
    "crown": "trees",
    "building": "buildings",
}
_UNDER_SNOW = ("meadow", "lawn", "crop", "soil", "ploughed")
SNOW = "snow"
# An object counts where at least this many of its pixels and this share of it are on the tile; where a smaller part of
# one can be seen, nothing is said about the number of its kind.
LEAST_PX, LEAST_SHARE = 24, 0.45
_SEEN_PX = 6
TILE_PX = 64


@dataclass(frozen=True, kw_only=True)
class ObjectPart:
    """What is known of an object when it is drawn: kind, roof ("flat", "pitched" or none), size word, full area."""

    kind: str
    roof: str = ""
    size: str = ""
    area_px: float


@dataclass(frozen=True, kw_only=True)
class SeenObject:
    """An object on a tile.

    Attributes:
        kind: Its kind.
        colour: Name of the mean colour of its pixels; empty where that is between names.
        roof: "flat", "pitched", or empty where it has none.
        size: "small", "large" or empty.
        x: Column of its middle, pixels.
        y: Row of its middle, pixels.
        number: Its number in the tile's map of objects.
    """

    kind: str
    colour: str
    roof: str
    size: str
    x: float
    y: float
    number: int


@dataclass(frozen=True, kw_only=True, eq=False)
class TileFacts:
    """All that captions are made of.

    Attributes:
        shares: Share of the tile by cover, 0 to 1; covers without a pixel are left out.
        objects: Objects that count.
        uncountable: Kinds of which a part too small to count is on the tile.
        season: Season of the scene.
        material_HW: Material of each pixel, uint8.
        object_HW: Number of the object of each pixel, uint16; 0 where there is none.
    """

    shares: Mapping[str, float]
    objects: Sequence[SeenObject]
    uncountable: frozenset[str]
    season: str
    material_HW: NDArray[np.uint8]
    object_HW: NDArray[np.uint16]

    def cover_mask(self, cover: str) -> NDArray[np.bool_]:
        """Return where a cover is, objects left out, bool (H, W)."""
        names = [cover_of(material, self.season) for material in MATERIALS]
        return np.isin(self.material_HW, [number for number, name in enumerate(names) if name == cover])


def cover_of(material: str, season: str) -> str:
    """Return the cover that captions name for a material; in winter, snow lies on open ground."""
    return SNOW if season == "winter" and material in _UNDER_SNOW else _COVER_OF[material]


def read_facts(
    image_HW3: NDArray[np.float32],
    material_HW: NDArray[np.uint8],
    object_HW: NDArray[np.uint16],
    parts: Mapping[int, ObjectPart],
    *,
    season: str,
    stamped: NDArray[np.bool_],
) -> TileFacts:
    """Read the facts of a tile.

    Args:
        image_HW3: RGB in 0-255 as the network sees it.
        material_HW: Material of each pixel.
        object_HW: Number of the object of each pixel, 0 for none.
        parts: What is known of the objects, by number; `area_px` at the tile's scale.
        season: Season of the scene.
        stamped: Where an object that is no building of the scene hides the ground, bool (H, W).
    """
    counts = np.bincount(material_HW[~stamped].ravel(), minlength=len(MATERIALS))
    shares: dict[str, float] = {}
    for material, count in zip(MATERIALS, counts, strict=True):
        if count:
            cover = cover_of(material, season)
            shares[cover] = shares.get(cover, 0.0) + float(count) / material_HW.size
    objects, uncountable = [], set()
    for number in np.unique(object_HW[object_HW > 0]):
        part = parts[int(number)]
        mask_HW = object_HW == number
        seen_px = int(mask_HW.sum())
        if seen_px < min(LEAST_PX, 0.8 * part.area_px) or seen_px < LEAST_SHARE * part.area_px:
            if seen_px >= _SEEN_PX:
                uncountable.add(part.kind)
            continue
        y, x = (float(at.mean()) for at in np.nonzero(mask_HW))
        red, green, blue = (float(v) for v in image_HW3[mask_HW].mean(axis=0))
        objects.append(
            SeenObject(
                kind=part.kind,
                colour=colour_name(red, green, blue),
                roof=part.roof,
                size=part.size,
                x=x,
                y=y,
                number=int(number),
            )
        )
    return TileFacts(
        shares=shares,
        objects=tuple(objects),
        uncountable=frozenset(uncountable),
        season=season,
        material_HW=material_HW,
        object_HW=object_HW,
    )


def colour_name(red: float, green: float, blue: float) -> str:
    """Return the name of an RGB colour in 0-255, or an empty text where people would not agree on one."""
    hue, saturation, value = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    hue *= 360
    if value < 0.24:
        return "black"
    if saturation < 0.14:
        return "white" if value > 0.76 else "grey" if 0.33 < value < 0.66 else ""
    if saturation < 0.27:
        return ""
    if hue < 14 or hue > 345:
        return "red"
    if 17 < hue < 42 and 0.25 < value < 0.62:
        return "brown"
    if 43 < hue < 66 and value > 0.6:
        return "yellow"
    return "green" if 85 < hue < 165 else "blue" if 195 < hue < 255 else ""


def touches(one_HW: NDArray[np.bool_], other_HW: NDArray[np.bool_], reach_px: int) -> bool:
    """Return whether some pixels of two masks are at most `reach_px` apart, in rows and in columns."""
    side = 2 * reach_px + 1
    wide_HW = cv2.dilate(one_HW.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
    return bool((wide_HW & other_HW).any())
