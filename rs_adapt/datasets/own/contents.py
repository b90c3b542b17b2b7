"""What is in the tiles of your own scenes: pixels by region, split and class, and where the others went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from rs_adapt.datasets.prepared_marker import REMAKE, read_own_record
from rs_adapt.errors import DataError
from rs_adapt.files import write_text
from rs_adapt.validation import parse_as

if TYPE_CHECKING:
    from rs_adapt.datasets.recipes import ScenesRecipe

# In a prepared folder.
CONTENTS_FILE = "contents.json"
# Contents of labels that a line names; a legend may have hundreds.
_MOST_SHARES = 20
# Where pixels of a class are that no tile holds, by field of `ClassPixels`.
_LOST_AT = {
    "image_no_data": "where the image has no data",
    "label_no_data": "where the label's file says that it has no data",
    "dropped_tiles": "in places without image",
    "gap": "in the gap around held-out blocks",
}


_Count = NonNegativeInt


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class ClassPixels(_Record):
    """The pixels of a class in the scenes of a split."""

    tiles: NonNegativeInt = Field(
        default=0, description="In the split's tiles, each pixel of a scene once where tiles overlap."
    )
    image_no_data: _Count = Field(default=0, description="Where the image has no data.")
    label_no_data: _Count = Field(default=0, description="Where the label's file says that it has no data.")
    dropped_tiles: NonNegativeInt = Field(
        default=0, description="In places where more than half of the image has no data."
    )
    gap: NonNegativeInt = Field(
        default=0, description="Between the held-out blocks of a divided scene and its training tiles."
    )


class SplitContents(_Record):
    """What is in the tiles of a split; numbers of pixels count each pixel of a scene once where tiles overlap."""

    scenes: _Count = Field(default=0, description="Scenes, a divided one in both of its splits.")
    tiles: _Count = Field(default=0, description="Tiles that were written.")
    dropped_tiles: NonNegativeInt = Field(
        default=0, description="Places left out because most of the image has no data there."
    )
    unlabelled_tiles: NonNegativeInt = Field(
        default=0, description="Places left out because no pixel of the label counts there."
    )
    gap_tiles: _Count = Field(default=0, description="Places left out between the blocks of a divided scene.")
    pixels: _Count = Field(default=0, description="Pixels in tiles where the image has data.")
    image_no_data: _Count = Field(default=0, description="Pixels in tiles where the image has none.")
    ignored: _Count = Field(default=0, description="Pixels in tiles whose label is ignored on purpose.")
    unlabelled: NonNegativeInt = Field(
        default=0, description="Pixels in tiles where the label has no data or does not reach."
    )
    classes: dict[str, ClassPixels] | None = Field(
        default=None, description="Pixels by class; null where no labels were read."
    )

    def add(self, other: SplitContents) -> None:
        """Add the numbers of more scenes of the same split."""
        for key in SplitContents.model_fields.keys() - {"classes"}:
            setattr(self, key, getattr(self, key) + getattr(other, key))
        if other.classes is None:
            return
        if self.classes is None:
            self.classes = {}
        for name, pixels in other.classes.items():
            mine = self.classes.setdefault(name, ClassPixels())
            for key in ClassPixels.model_fields:
                setattr(mine, key, getattr(mine, key) + getattr(pixels, key))


class RegionContents(_Record):
    """What is in the labels and in the tiles of a region."""

    holds: dict[str, _Count] = Field(
        default={}, description="Pixels of the labels that were read, by value, colour or attribute."
    )
    splits: dict[str, SplitContents] = Field(default={}, description="By split: train, val.")
    notes: list[str] = Field(default=[], description="Sentences on scenes that are not as one would expect.")


class Contents(_Record):
    """What is in the tiles of a bench of your own, `contents.json` in its prepared folder."""

    format: Literal[1] = Field(default=1, description="Number of the format.")
    regions: dict[str, RegionContents] = Field(description="By name of the region.")
    notes: list[str] = Field(default=[], description="Sentences on the regions beside each other.")


def write_contents(folder: Path, contents: Contents) -> None:
    """Write the record into a prepared folder."""
    write_text(folder / CONTENTS_FILE, contents.model_dump_json(indent=1) + "\n")


def read_contents(prepared_dir: str | Path) -> Contents:
    """Read the record of a prepared folder.

    Raises:
        DataError: It is missing or damaged.
    """
    path = Path(prepared_dir) / CONTENTS_FILE
    return parse_as(Contents, read_own_record(path), file=str(path), error=DataError, remedy=REMAKE)


def require_labelled(contents: Contents, recipe: ScenesRecipe) -> None:
    """Refuse a region to learn from whose training tiles lack a class, and held-out tiles without any labelled pixel.

    Raises:
        DataError: A class has no pixel in the training tiles, and the message says where its pixels are; or held-out
            tiles have nothing to score.
    """
    _require_classes(contents, recipe)
    for name, region in contents.regions.items():
        val = region.splits.get("val")
        if val is not None and val.tiles and val.classes and not any(pixels.tiles for pixels in val.classes.values()):
            raise DataError(
                f"The held-out tiles of {name} hold no labelled pixel, so there is nothing to score: "
                f"{_number(val.unlabelled)} of their {_px(val.pixels)} have no label, {_number(val.ignored)} are "
                "ignored. Check the labels, or hold out other scenes (val)."
            )


def _require_classes(contents: Contents, recipe: ScenesRecipe) -> None:
    source = contents.regions.get(recipe.labelled.name)
    if source is None:
        # Tiles to score on alone.
        return
    role = recipe.train_labels
    classes = source.splits["train"].classes
    if classes is None:
        return
    empty = [name for name in recipe.classes if not classes[name].tiles]
    if not empty:
        return
    places = {name: list(_places(source, name)) for name in empty}
    absent = [name for name in empty if not places[name]]
    if absent:
        raise DataError(
            f"The {role}'s labels hold no pixel of {', '.join(absent)}, so it cannot be learnt. "
            "Remove it from the classes, or state which label values belong to it. "
            f"They hold: {_shares(source.holds) or 'nothing'}."
        )
    lost = " ".join(f"Of {name}, {', '.join(phrase for phrase, _ in places[name])}." for name in empty)
    remedies = dict.fromkeys(remedy for name in empty for _, remedy in places[name])
    raise DataError(
        f"The {role}'s training tiles hold no pixel of {', '.join(empty)}, so it cannot be learnt. {lost} "
        f"{' '.join(remedies)}"
    )


def _places(region: RegionContents, name: str) -> Iterator[tuple[str, str]]:
    """Yield where the pixels of a class are that no training tile holds, and what to do about it."""
    val = region.splits.get("val")
    held = val.classes[name] if val is not None and val.classes is not None else ClassPixels()
    train = (region.splits["train"].classes or {}).get(name, ClassPixels())
    if held.tiles:
        yield f"{_px(held.tiles)} are in held-out tiles", "Hold out other scenes (val)."
    if lost := train.image_no_data + held.image_no_data:
        yield (
            f"{_px(lost)} where the image has no data",
            'Check the images\' nodata value and mask, or write nodata = "none" to read all pixels.',
        )
    if lost := train.label_no_data + held.label_no_data:
        yield (
            f"{_px(lost)} have the value that the labels' files declare as nodata",
            'Remove the nodata value from the labels, or state a different one or "none" (labels.nodata).',
        )
    if lost := train.dropped_tiles + held.dropped_tiles:
        yield f"{_px(lost)} where more than half of a tile has no image", "Use smaller tiles (tile_px)."
    if lost := train.gap + held.gap:
        yield f"{_px(lost)} in the gap around held-out blocks", "Name the held-out scenes (val), or take val_share = 0."


def describe_contents(contents: Contents) -> list[str]:
    """Return lines for people: what labels hold, what is in the tiles of each split, and what is not."""
    lines = []
    for name, region in contents.regions.items():
        if region.holds:
            lines.append(f"{name} labels hold: {_shares(region.holds)}")
        for split, part in region.splits.items():
            lines += _split_lines(f"{name} {split}", part)
        lines += [f"{name}: {note}" for note in region.notes]
    return [*lines, *contents.notes]


def _split_lines(title: str, part: SplitContents) -> Iterator[str]:
    scenes = "1 scene" if part.scenes == 1 else f"{part.scenes} scenes"
    tiles = f"{title}: {'1 tile' if part.tiles == 1 else f'{_number(part.tiles)} tiles'} of {scenes}"
    if part.classes is None:
        yield f"{tiles}, no labels are read"
    else:
        labelled = {name: pixels.tiles for name, pixels in part.classes.items()}
        yield f"{tiles}, {_px(sum(labelled.values()))} labelled: {_shares(labelled) or 'none'}"
    without = {
        "the label is ignored": part.ignored,
        "the label has no data": part.unlabelled if part.classes is not None else 0,
        "the image has no data": part.image_no_data,
    }
    total = part.pixels + part.image_no_data
    if parts := [f"{_percent(count, total)} {reason}" for reason, count in without.items() if count]:
        yield f"{title} without a label: {', '.join(parts)} (of {_px(total)} in tiles)"
    left_out = {
        "more than half without image": part.dropped_tiles,
        "without any labelled pixel": part.unlabelled_tiles,
        "in the gap around held-out blocks": part.gap_tiles,
    }
    if parts := [f"{_number(count)} {reason}" for reason, count in left_out.items() if count]:
        yield f"{title} tiles left out: {', '.join(parts)}"
    for key, place in _LOST_AT.items():
        lost = {name: getattr(pixels, key) for name, pixels in (part.classes or {}).items()}
        if parts := [f"{name} {_px(count)}" for name, count in lost.items() if count]:
            yield f"{title} lost {place}: {', '.join(parts)}"
    empty = [name for name, pixels in (part.classes or {}).items() if not pixels.tiles]
    if empty:
        yield f"{title} warning: no pixel of {', '.join(empty)} is in these tiles"


def _shares(counts: Mapping[str, int]) -> str:
    total, present = sum(counts.values()), {name: count for name, count in counts.items() if count}
    if len(present) > _MOST_SHARES:
        largest = sorted(present, key=lambda name: -present[name])[:_MOST_SHARES]
        rest = sum(present.values()) - sum(present[name] for name in largest)
        present = {name: present[name] for name in largest} | {f"{len(present) - _MOST_SHARES} more": rest}
    return ", ".join(f"{name} {_percent(count, total)}" for name, count in present.items())


def _percent(count: int, total: int) -> str:
    return f"{100 * count / max(1, total):.1f} %"


def _px(count: int) -> str:
    return f"{_number(count)} px"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def small_images_note(sizes_px: Sequence[tuple[int, int]], tile_px: int) -> str | None:
    """Return advice where every image is smaller than a tile; None where one is not."""
    longest = max(max(size) for size in sizes_px)
    if longest >= tile_px:
        return None
    fitting = max(32, longest // 32 * 32)
    return (
        f"all {len(sizes_px)} images are smaller than a tile of {tile_px} px (the largest side is {longest} px), and "
        f"padded: tile_px = {fitting} fits better"
    )
