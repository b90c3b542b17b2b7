"""Sentences on the ground that regions and splits of your own scenes show: where it is the same, and pixel sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rs_adapt.config.facts import Domain
from rs_adapt.errors import DataNotFound
from rs_adapt.tiles import Tile, read_index
from rs_adapt.tiles.ground import find_shared_ground, median_pixel_m

_ROLES: tuple[Domain, ...] = ("source", "target")
# Larger and smaller pixels than this factor are reported: crops are resized by 0.5 to 2 in training.
LARGEST_RATIO = 2.0
# Splits that should show ground of their own, with what follows where they do not.
_PAIRS = {
    (("source", "val"), ("source", "train")): "its scores are too high",
    (("target", "val"), ("target", "train")): "its scores do not compare with those on new ground",
    (("target", "val"), ("source", "train")): "training may learn what is scored",
    (
        ("target", "train"),
        ("source", "train"),
    ): "the two regions are the same place, so this is no adaptation to a new one",
    (
        ("target", "train"),
        ("source", "val"),
    ): "the two regions are the same place, so this is no adaptation to a new one",
}


@dataclass(frozen=True, kw_only=True)
class SharedGround:
    """Tiles of a split that show ground which another split shows too.

    Attributes:
        split: Role and split of the tiles.
        other: Role and split that shows the same.
        tiles: Names of the tiles.
        total: Number of tiles of the split.
        consequence: What follows for scores.
    """

    split: tuple[str, str]
    other: tuple[str, str]
    tiles: tuple[str, ...]
    total: int
    consequence: str


def shared_ground(tiles: Mapping[str, Mapping[str, Sequence[Tile]]]) -> list[SharedGround]:
    """Return the pairs of splits that should show different ground and do not.

    Args:
        tiles: Tiles by role and split.
    """
    found = []
    for (split, other), consequence in _PAIRS.items():
        here, there = (tiles.get(role, {}).get(name, ()) for role, name in (split, other))
        if positions := find_shared_ground(here, there):
            names = tuple(here[position].name for position in positions)
            found.append(SharedGround(split=split, other=other, tiles=names, total=len(here), consequence=consequence))
    return found


def measured_sizes_m(bench: Mapping[str, Any], prepared_dir: str | Path | None) -> dict[Domain, float]:
    """Return the sides of a pixel in metres that the training tiles of your own regions have, where they state them.

    Args:
        bench: The bench of a resolved configuration.
        prepared_dir: The folder of its tiles; a region without tiles there has no size. None where nothing is cut.
    """
    sizes: dict[Domain, float] = {}
    if not bench.get("own") or prepared_dir is None:
        return sizes
    for role in _ROLES:
        try:
            tiles = read_index((Path(prepared_dir) / bench[role]["train"]["img_dir"]).parent)
        except DataNotFound:
            # An imported checkpoint has no tiles.
            continue
        if (size_m := median_pixel_m(tiles)) is not None:
            sizes[role] = float(f"{size_m:.4g}")
    return sizes


def pixel_ratio(
    tiles: Mapping[str, Mapping[str, Sequence[Tile]]], gsd_m: Mapping[str, float | None]
) -> tuple[float, float] | None:
    """Return the sides of a pixel of source and target in metres, where their ratio is beyond `LARGEST_RATIO`.

    Args:
        tiles: Tiles by role and split.
        gsd_m: By role, the side that the bench's file states; it counts where the rasters state none.
    """
    sides: dict[str, float] = {}
    for role in ("source", "target"):
        measured = median_pixel_m([tile for split in tiles.get(role, {}).values() for tile in split])
        side = gsd_m.get(role) if measured is None else measured
        if not side:
            return None
        sides[role] = side
    ratio = sides["target"] / sides["source"]
    # Sizes in degrees are rounded; twice the size is still within.
    within = 1 / LARGEST_RATIO / 1.01 <= ratio <= LARGEST_RATIO * 1.01
    return None if within else (sides["source"], sides["target"])


def describe_ground(
    tiles: Mapping[str, Mapping[str, Sequence[Tile]]],
    *,
    images: Mapping[str, Sequence[Path]],
    gsd_m: Mapping[str, float | None],
) -> list[str]:
    """Return warnings on scenes and ground that are shown twice, and on pixels of very different size.

    Args:
        tiles: Tiles by role and split.
        images: Files of the scenes by role.
        gsd_m: See `pixel_ratio`.
    """
    source, target = ({image.resolve() for image in images.get(role, ())} for role in ("source", "target"))
    lines = []
    if both := sorted(source & target):
        lines.append(
            f"warning: {len(both)} of {len(target)} images of the target are images of the source too, such as "
            f"{both[0].name}: the source's labels show what is to be adapted to"
        )
    lines += [
        f"warning: {len(one.tiles)} of {one.total} tiles of {' '.join(one.split)} show ground that "
        f"{' '.join(one.other)} shows too, such as {one.tiles[0]}: {one.consequence}"
        for one in shared_ground(tiles)
    ]
    if (sides := pixel_ratio(tiles, gsd_m)) is not None:
        lines.append(f"warning: {describe_ratio(*sides)}")
    return lines


def describe_ratio(source_m: float, target_m: float) -> str:
    """Return a sentence on pixels of different size."""
    ratio = target_m / source_m
    larger, factor = ("larger", ratio) if ratio > 1 else ("smaller", 1 / ratio)
    return (
        f"a pixel of the target is {factor:.1f} times {larger} than one of the source ({target_m:g} m and "
        f"{source_m:g} m), so the same things have other sizes: state gsd_m of both regions and train with "
        "--set strategy.match_gsd=True, or resample one of them"
    )
