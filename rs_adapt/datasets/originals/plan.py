"""The plan of preparing a data set, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rs_adapt.datasets.originals.journal import Records, SceneRecord
from rs_adapt.datasets.originals.layout import Layout, Part
from rs_adapt.datasets.originals.matching import PartFiles


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan of preparing a data set, before anything is written.

    Attributes:
        layout: The layout of the data set.
        folder: The folder of the tiles.
        tile_px: Side of a tile; None where a tile is a whole image.
        stride_px: Step of the grid; None with `tile_px`.
        found: The files that the source holds, part by part.
        done: Scenes that are cut already.
    """

    layout: Layout
    folder: Path
    tile_px: int | None
    stride_px: int | None
    found: tuple[PartFiles, ...]
    done: Records

    @property
    def published(self) -> bool:
        """Return whether the tiles are those of the published protocol."""
        return (self.tile_px, self.stride_px) == (self.layout.tile_px, self.layout.stride_px)

    def done_in(self, part: Part) -> list[str]:
        """Return the names of a part's scenes that are cut already."""
        return [scene for region, split, scene in self.done if (region, split) == (part.region, part.split)]

    def missing(self) -> list[str]:
        """Return a line for each part that is not complete."""
        return [text for one in self.found if (text := one.missing(self.done_in(one.part)))]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """The tiles after preparing.

    Attributes:
        plan: The plan that was carried out.
        records: All scenes of the folder; empty after a dry run.
        num_kept: Scenes that were there before, and intact.
        num_cut: Scenes that were cut now.
    """

    plan: Plan
    records: tuple[SceneRecord, ...]
    num_kept: int
    num_cut: int

    def of(self, part: Part) -> list[SceneRecord]:
        """Return the scenes of a part."""
        return [one for one in self.records if (one.region, one.split) == (part.region, part.split)]

    def wrong_counts(self) -> list[str]:
        """Return a line for each complete part whose number of tiles is not the published one."""
        if not self.plan.published or not self.records:
            return []
        counts = [(part, self.of(part)) for part in self.plan.layout.parts]
        return [
            f"{part.title}: {tiles} tiles, published are {part.num_tiles}"
            for part, records in counts
            if len(records) >= part.num_scenes and (tiles := sum(one.num_tiles for one in records)) != part.num_tiles
        ]
