"""The index of a folder of tiles: which scene and window each one comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rs_adapt.documents import parse_json, read_bytes
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import write_text
from rs_adapt.scenes import Box

INDEX_NAME = "index.json"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile: its file name (the same for image and label), its scene and its place there.

    `box` is the window in scene pixels without padding; `transform` maps tile pixels to map coordinates; `valid_share`
    is the share of the tile's pixels (padding included) that show an image, 0 to 1.
    """

    name: str
    scene: str
    box: Box
    transform: tuple[float, ...]
    crs: str | None
    valid_share: float


def write_index(folder: Path, tiles: Sequence[Tile], *, tile_px: int, stride_px: int) -> Path:
    """Write `index.json` of a folder of tiles and return its path."""
    path = folder / INDEX_NAME
    rows = [asdict(tile) for tile in tiles]
    # Reference systems are long texts and shared by many tiles: each is stored once.
    systems = list(dict.fromkeys(tile.crs for tile in tiles))
    for row in rows:
        row["crs"] = systems.index(row["crs"])
    text = json.dumps(
        {"format": 1, "tile_px": tile_px, "stride_px": stride_px, "crs": systems, "tiles": rows}, indent=1
    )
    write_text(path, text + "\n")
    return path


def read_index(folder: Path) -> list[Tile]:
    """Read `index.json` of a folder of tiles.

    Raises:
        DataNotFound: There is no index.
        DataError: The file is not an index.
    """
    path = folder / INDEX_NAME
    if not path.is_file():
        raise DataNotFound(f"There is no tile index {path}: cut the scenes into tiles first.")
    try:
        content = parse_json(read_bytes(path))
        return [
            Tile(
                name=row["name"],
                scene=row["scene"],
                box=Box(*row["box"]),
                transform=tuple(row["transform"]),
                crs=content["crs"][row["crs"]],
                valid_share=row["valid_share"],
            )
            for row in content["tiles"]
        ]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path} is not a tile index ({error!r}): cut the scenes again.") from error
