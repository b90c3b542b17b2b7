"""The scene and the city of each tile, as far as the tile index or file names show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.config.facts import BenchFacts
from rs_adapt.config.region_facts import RegionFacts


@dataclass(frozen=True, kw_only=True)
class TileOrigins:
    """Names without ending, scenes and cities of N tiles; "" where scene or city is not known."""

    tiles: tuple[str, ...]
    scenes: tuple[str, ...]
    cities: tuple[str, ...]


def find_tile_origins(
    paths: Sequence[str], *, img_dir: Path, img_suffix: str, scene_pattern: str | None, city: str | None
) -> TileOrigins:
    """Return name, scene and city of each tile.

    Scenes are those of the index that `rs_adapt.tiles` writes beside the tiles; where there is none, those that the
    names of the tiles show by the bench's `scene_pattern`.

    Args:
        paths: Image files, below `img_dir`.
        img_dir: Folder of the images.
        img_suffix: Ending of their names.
        scene_pattern: Regular expression over the whole name without ending, with a group `scene`; None if names tell
            nothing.
        city: The city that all of them lie in; None if that is not known.

    Raises:
        DataError: The index is damaged.
    """
    tiles = tuple(Path(path).relative_to(img_dir).as_posix().removesuffix(img_suffix) for path in paths)
    indexed = _indexed(img_dir.parent)
    pattern = re.compile(scene_pattern) if scene_pattern else None
    return TileOrigins(
        tiles=tiles,
        scenes=tuple(indexed.get(tile) or _by_name(tile, pattern) for tile in tiles),
        cities=(city or "",) * len(tiles),
    )


def region_facts(bench: BenchFacts, name: str) -> RegionFacts:
    """Return the facts of the region (source or target) to which a data set of `TileDataset`'s naming belongs."""
    region = name.split("/")[-2]
    facts: RegionFacts = bench["target"] if bench["target"]["region"] == region else bench["source"]
    return facts


def _indexed(folder: Path) -> dict[str, str]:
    from rs_adapt.tiles.index import INDEX_NAME, read_index

    if not (folder / INDEX_NAME).is_file():
        return {}
    return {Path(tile.name).stem: tile.scene for tile in read_index(folder)}


def _by_name(tile: str, pattern: re.Pattern[str] | None) -> str:
    found = pattern.fullmatch(tile.rpartition("/")[2]) if pattern else None
    return found["scene"] if found else ""
