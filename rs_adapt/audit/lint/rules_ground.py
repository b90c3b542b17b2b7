"""Rules on the ground that the tiles of your own bench show: the same in two splits, or at very different sizes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import Subject
from rs_adapt.errors import DataNotFound

if TYPE_CHECKING:
    from rs_adapt.tiles import Tile


def same_ground(subject: Subject) -> Iterator[Hit]:
    """Tiles of your own scenes that show ground which a different split or region shows too, by their coordinates."""
    if (tiles := _tiles(subject)) is None:
        return
    from rs_adapt.datasets.own.ground import shared_ground

    learnt = ("target" if subject.setting == "ss" else "source", "train")
    scored = ("target" if subject.dataset("val") is not None else "source", "val")
    for one in shared_ground(tiles):
        (role, split), other = one.split, " ".join(one.other)
        if subject.setting in ("dg", "ov") and ("target", "train") in (one.split, one.other):
            # This setting reads no such tile.
            continue
        yield Hit(
            level="error" if (one.split, one.other) == (scored, learnt) else "warning",
            key=f"bench.{role}.{split}.img_dir",
            found=f"{len(one.tiles)} of {one.total} tiles show ground that {other} shows too, such as {one.tiles[0]}",
            consequence=f"{one.consequence[0].upper()}{one.consequence[1:]}.",
            remedy="Hold out scenes that lie apart (val), or take the shared scenes out of one of the two.",
        )


def pixel_size(subject: Subject) -> Iterator[Hit]:
    """Pixels of your own target that are more than twice as large or as small as those of the source."""
    if (tiles := _tiles(subject)) is None:
        return
    from rs_adapt.datasets.own.ground import describe_ratio, pixel_ratio

    given = {role: subject.cfg["bench"]["prepare"][role].get("gsd_m") for role in ("source", "target")}
    if (sides := pixel_ratio(tiles, given)) is not None:
        yield Hit(
            level="warning",
            key="bench.prepare.target.images",
            found=describe_ratio(*sides).partition(", so ")[0],
            consequence="The same things have other sizes in both regions, which training does not bridge.",
            remedy="State gsd_m of both regions and train with --set strategy.match_gsd=True, or resample one of them.",
        )


def _tiles(subject: Subject) -> dict[str, dict[str, Sequence[Tile]]] | None:
    """Return the tiles of your own scenes by role and split; None for other benches and where none were scanned."""
    if subject.scan is None or not subject.cfg["bench"].get("own"):
        return None
    from rs_adapt.tiles import read_index

    tiles: dict[str, dict[str, Sequence[Tile]]] = {}
    for role in ("source", "target"):
        for split, folder in subject.region_folders(role, "img_dir").items():
            try:
                tiles.setdefault(role, {})[split] = read_index(folder.parent)
            except DataNotFound:
                continue
    return tiles
