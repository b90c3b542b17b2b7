"""The tiles on disk that a configuration reads, as the rules of lint use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rs_adapt.datasets.verify import SetReport


@dataclass(frozen=True, kw_only=True)
class TileFolder:
    """A folder of images that a configuration reads.

    Attributes:
        title: Family, region and split.
        img_dir: The path of the images.
        ann_dir: The path of the labels, if any role reads them.
        ann_suffix: Ending of the labels' names.
        roles: The roles whose data sets read it; see `ROLES`.
        home: The data set's manifest, else the region; scenes of equal names and home are the same scene.
        scenes: Tile -> scene, for the tiles whose scene is known.
    """

    title: str
    img_dir: str
    ann_dir: str | None
    ann_suffix: str
    roles: tuple[str, ...]
    home: str
    scenes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TileScan:
    """The tiles on disk that a configuration reads.

    Attributes:
        folders: Folders that exist.
        missing: Folders that do not.
        reports: What `verify_tiles` counted in each existing folder, in the order of `folders`.
        duplicates: Groups of tiles with equal pixels, each tile by the title of its folder and its name.
        allowed: Label values that the bench allows, sorted.
    """

    folders: tuple[TileFolder, ...]
    missing: tuple[TileFolder, ...]
    reports: Sequence[SetReport]
    duplicates: Sequence[Sequence[str]]
    allowed: tuple[int, ...]

    def sides_px(self, img_dir: str) -> set[int]:
        """Return the lengths (px) of the longer sides of a folder's images."""
        rows = [row for row in self.reports if row["img_dir"] == str(Path(img_dir))]
        return {max(map(int, size.split("x"))) for row in rows for size in row["sizes"]}

    def folder_of(self, tile: str) -> TileFolder:
        """Return the folder of a tile that `verify_tiles` names by title and name."""
        inside = [folder for folder in self.folders if tile.startswith(f"{folder.title}/")]
        return max(inside, key=lambda folder: len(folder.title))
