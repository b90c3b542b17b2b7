"""Facts of the data manifests on folders of tiles: bands, size, and the scene in a tile's name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from rs_adapt.datasets.manifest import Variant, load_manifest, manifest_names

_LETTERS = {"red": "R", "green": "G", "blue": "B", "near infrared": "IR"}


@dataclass(frozen=True, kw_only=True)
class TiledFolder:
    """A folder of tiles that `rs-adapt data prepare` writes.

    Attributes:
        manifest: The name of its data set.
        bands: The bands as benches spell them, such as "IRRG".
        tile_px: The published side of a tile; None for whole images of any size.
        scene_pattern: A regular expression for a tile's name without ending, with a group `scene`.
    """

    manifest: str
    bands: str
    tile_px: int | None
    scene_pattern: str


@lru_cache(maxsize=1)
def tiled_folders() -> dict[str, TiledFolder]:
    """Return all folders that are cut from original scenes, by name."""
    folders = {}
    for manifest in map(load_manifest, manifest_names()):
        tiling = manifest.tiling
        if tiling is None:
            continue
        for name, variant in {manifest.name: Variant(), **manifest.variants}.items():
            folders[name] = TiledFolder(
                manifest=manifest.name,
                bands=letters(variant.bands or manifest.bands),
                tile_px=variant.tile_px or tiling.tile_px,
                scene_pattern=_scene_pattern(tiling.image),
            )
    return folders


def folder_facts(shown: str) -> TiledFolder | None:
    """Return the facts of a folder of images, relative to the data root; None where no manifest has them."""
    parts = PurePath(shown).parts
    return tiled_folders().get(parts[0]) if parts and not PurePath(shown).is_absolute() else None


def letters(bands: list[str] | tuple[str, ...]) -> str:
    """Return bands as benches spell them: near infrared, red, green is IRRG."""
    return "".join(_LETTERS.get(band, f"<{band}>") for band in bands)


def _scene_pattern(image: str) -> str:
    stem = PurePath(image).name.rpartition("}")[0] + "}"
    pieces = re.split(r"(\{\w+\})", stem)
    numbers = {"{scene}": "(?P<scene>.+)"}
    return "".join(numbers.get(piece, r"\d+") if piece.startswith("{") else re.escape(piece) for piece in pieces)
