"""The original files of a data set, and the tiles that are cut from them, as its manifest describes them."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rs_adapt.datasets.manifest import LabelClass, Manifest, Split, Variant, load_manifest, manifest_names
from rs_adapt.errors import UnknownName
from rs_adapt.tiles import tile_origins


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split, of one region where there are several.

    Attributes:
        region: None where the data set has one region.
        split: "train" or "val".
        scenes: Names of its images; None where a rule or the folder tells.
        names: Regular expression of their names, where a rule tells.
        num_scenes: Published number of images.
        num_tiles: Published number of tiles.
    """

    region: str | None
    split: str
    scenes: tuple[str, ...] | None
    names: str | None = None
    num_scenes: int
    num_tiles: int

    @property
    def title(self) -> str:
        """Return region and split, such as "rural train"."""
        return f"{self.region} {self.split}" if self.region else self.split


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The originals and tiles of a data set or of one of its variants.

    Attributes:
        name: Name of the output, which is also its folder below the data root.
        manifest: The manifest of the data set.
        title: For people.
        bands: Bands of an image, in the order of its file; the tiles hold all of them.
        parts: The splits that are cut.
        image_files: Patterns of an image's path, the preferred one first.
        label_files: Patterns of a label's path.
        not_in: Folders (globs) in which no image is looked for.
        scene_names: Regular expression of an image's name where no list holds them.
        tile_px: Side of a tile; None where a tile is a whole image, of whatever size.
        stride_px: Step of the grid; None with `tile_px`.
        colour_labels: Labels are painted by the legend; otherwise they hold values.
        image_tile: Path of an image's tile below the output's folder, with fields.
        label_tile: Path of a label's tile.
    """

    name: str
    manifest: Manifest
    title: str
    bands: tuple[str, ...]
    parts: tuple[Part, ...]
    image_files: tuple[str, ...]
    label_files: tuple[str, ...]
    not_in: tuple[str, ...]
    scene_names: str
    tile_px: int | None
    stride_px: int | None
    colour_labels: bool
    image_tile: str
    label_tile: str

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """Return the values of the label files."""
        return self.manifest.classes

    @property
    def how_to_get(self) -> str:
        """Return what to do if its originals or tiles are missing."""
        text, name = self.manifest.how_to_get, self.manifest.name
        if self.name == name:
            return text
        text = text.replace(f"data prepare {name} ", f"data prepare {self.name.replace('_', '-')} ")
        if archive := self.manifest.variants[self.name].archive:
            text = text.replace(self.manifest.archives[0].name, archive)
            text = text.replace(f"data fetch {name}`", f"data fetch {name} --all`")
        return text

    @property
    def ignore_value(self) -> int:
        """Return the label value of padding, and of colours that are in no legend."""
        return self.manifest.ignore_values[0]

    def folders(self, part: Part) -> tuple[str, str]:
        """Return the folders of a part's image and label tiles below the output's folder."""
        fields = {"region": part.region, "split": part.split}
        heads = (pattern.rpartition("/")[0] for pattern in (self.image_tile, self.label_tile))
        image, label = (head.format(**fields) for head in heads)
        return image, label

    def suffixes(self) -> tuple[str, str]:
        """Return what follows the common name of image and label tiles, such as ".png"."""
        image, label = (pattern.rpartition("}")[2] for pattern in (self.image_tile, self.label_tile))
        return image, label


def layout_names() -> list[str]:
    """Return all that can be prepared: data sets with tiling and their variants, sorted."""
    return sorted(_owners())


def load_layout(name: str) -> Layout:
    """Read the layout of a data set or variant; `-` and `_` are the same.

    Raises:
        UnknownName: Nothing of this name can be prepared.
    """
    wanted = name.replace("-", "_").lower()
    owners = _owners()
    if wanted not in owners:
        if wanted in manifest_names():
            raise UnknownName(
                f"The tiles of {wanted} are not made by this command. {load_manifest(wanted).how_to_get} To prepare: "
                f"{', '.join(sorted(owners))}."
            )
        near = difflib.get_close_matches(wanted, owners, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownName(f"There is no data set {name!r} to prepare.{hint} Known: {', '.join(sorted(owners))}.")
    manifest = load_manifest(owners[wanted])
    files, tiling = manifest.files, manifest.tiling
    assert files is not None
    assert tiling is not None
    variant = Variant() if wanted == manifest.name else manifest.variants[wanted]
    return Layout(
        name=wanted,
        manifest=manifest,
        title=variant.title or manifest.title,
        bands=variant.bands or manifest.bands,
        parts=tuple(_parts(manifest, variant)),
        image_files=variant.image or files.image,
        label_files=files.label,
        not_in=files.not_in,
        scene_names=files.scene_names,
        tile_px=variant.tile_px or tiling.tile_px,
        stride_px=variant.tile_px or tiling.stride_px,
        colour_labels=tiling.labels == "colours",
        image_tile=variant.tile_image or tiling.image,
        label_tile=tiling.label,
    )


def path_pattern(pattern: str, layout: Layout) -> re.Pattern[str]:
    """Return a regular expression for the path endings of a manifest's pattern; its groups are the pattern's fields."""
    fields = {
        "scene": f"(?P<scene>{layout.scene_names})",
        "group": "(?P<group>[^/]+)",
        "split": f"(?P<split>(?i:{'|'.join(sorted({part.split for part in layout.parts}))}))",
        "region": f"(?P<region>(?i:{'|'.join(sorted({part.region or '' for part in layout.parts}))}))",
    }
    pieces = re.split(r"(\*\*/|\{\w+\})", pattern)
    found = "".join(
        r"(?:.*/)?" if piece == "**/" else fields[piece[1:-1]] if piece.startswith("{") else re.escape(piece)
        for piece in pieces
    )
    return re.compile(f"(?:^|/){found}$")


def _owners() -> dict[str, str]:
    """Return the name of the manifest of each output."""
    manifests = [load_manifest(name) for name in manifest_names()]
    return {
        name: manifest.name
        for manifest in manifests
        if manifest.tiling is not None
        for name in (manifest.name, *manifest.variants)
    }


def _parts(manifest: Manifest, variant: Variant) -> list[Part]:
    per_image = None
    if variant.tile_px is not None and manifest.size_px is not None:
        side_px = variant.tile_px
        per_image = math.prod(len(tile_origins(size_px, side_px, side_px)) for size_px in manifest.size_px)
    regions: Mapping[str | None, Mapping[str, Split]] = {
        name: region.splits for name, region in manifest.regions.items()
    } or {None: manifest.splits}
    return [
        _part(region, name, split, split.tiles, per_image)
        for region, splits in regions.items()
        for name, split in splits.items()
        # Images without published tiles have no labels.
        if split.tiles is not None
    ]


def _part(region: str | None, name: str, split: Split, num_tiles: int, per_image: int | None) -> Part:
    scenes = split.scenes
    if split.ids is not None:
        first, last = split.ids
        scenes = tuple(str(number) for number in range(first, last + 1))
    number = len(scenes) if scenes is not None else split.images
    assert number is not None
    return Part(
        region=region,
        split=name,
        scenes=scenes,
        names=split.names,
        num_scenes=number,
        num_tiles=num_tiles if per_image is None else per_image * number,
    )
