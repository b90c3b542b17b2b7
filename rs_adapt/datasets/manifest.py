"""Manifests of data sets: source, licence and conditions, original files, tiles and classes.

One TOML file a data set in `data/`; `data/README.md` describes the keys.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from rs_adapt.config.facts import SPLITS
from rs_adapt.config.paths import manifests_dir
from rs_adapt.downloads.published import Published
from rs_adapt.errors import DataError, UnknownName
from rs_adapt.validation import parse_as

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_FROZEN = ConfigDict(extra="forbid", frozen=True)

Colour = tuple[int, int, int]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _as_split(value: object) -> object:
    # A bare number counts tiles, and a bare list names images.
    if isinstance(value, int):
        return {"tiles": value}
    return {"scenes": value} if isinstance(value, list) else value


_Several = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Archive(BaseModel):
    """A file to get; without an address where a site wants a form or a login."""

    model_config = _FROZEN

    name: str = Field(description="File name.")
    url: str | None = Field(default=None, description="Address.")
    mirrors: tuple[str, ...] = Field(default=(), description="Addresses that are tried after it.")
    size_bytes: int | None = Field(default=None, description="Published size.")
    md5: str | None = Field(default=None, description="Published MD5, 32 hex digits.")
    sha256: str | None = Field(default=None, description="Published SHA-256, 64 hex digits.")
    optional: bool = Field(default=False, description="Not needed by the benches.")

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses, in the order in which they are tried."""
        return (*((self.url,) if self.url else ()), *self.mirrors)

    @property
    def published(self) -> Published:
        """Addresses, size and checksums for the download."""
        return Published(urls=self.urls, size_bytes=self.size_bytes, md5=self.md5, sha256=self.sha256)

    def check_file(self, path: Path) -> None:
        """Compare a file that was not downloaded by rs-adapt with the published one.

        Raises:
            DataError: The two differ.
        """
        if (fault := self.published.fault(path)) is not None:
            raise DataError(f"{path} is not the published file: {fault}. Fetch it again, or remove it.")


class LabelClass(BaseModel):
    """A value of the label files and its class."""

    model_config = _FROZEN

    name: str = Field(description="Class name.")
    value: int = Field(ge=0, le=255, description="Value in the label files.")
    original: int | None = Field(
        default=None, ge=0, le=255, description="Value in the original labels, where tiles hold a different one."
    )
    colour: Colour | None = Field(default=None, description="RGB colour in colour labels.")
    several_colours: tuple[Colour, ...] = Field(default=(), alias="colours", description="RGB colours, where several.")
    ignored: bool = Field(default=False, description="Not scored.")
    pct: float | None = Field(default=None, description="Published share of the pixels, per cent.")

    @property
    def colours(self) -> tuple[Colour, ...]:
        """All RGB colours of the class in colour labels, the preferred one first; empty where there are none."""
        return self.several_colours or ((self.colour,) if self.colour else ())


class OriginalFiles(BaseModel):
    """Path endings of original files, `[files]`; `**/` is any folders.

    Fields are {scene}, {split}, {region}, and {group}, a folder whose name comes before that of the scene.
    """

    model_config = _FROZEN

    image: _Several = Field(description="Patterns of an image, the preferred one first.")
    label: _Several = Field(description="Patterns of a label, the preferred one first.")
    scene_names: str = Field(default="[^/]+?", description="Regular expression of scene names, where no list has them.")
    not_in: tuple[str, ...] = Field(default=(), description="Folders (globs) in which no image is looked for.")


class Tiling(BaseModel):
    """The tiles that `rs-adapt data prepare` cuts, `[tiling]`."""

    model_config = _FROZEN

    tile_px: int | None = Field(default=None, gt=0, description="Side of a tile; None for whole images of any size.")
    stride_px: int | None = Field(
        default=None, gt=0, description="Step of the grid; the last tile of a row or column ends at the edge."
    )
    labels: Literal["values", "colours"] = Field(description="What the original labels hold.")
    image: str = Field(description="Path of an image tile below the data set's folder.")
    label: str = Field(description="Path of a label tile.")

    @model_validator(mode="after")
    def _has_both_or_none(self) -> Self:
        if (self.tile_px is None) != (self.stride_px is None):
            raise ValueError("give tile_px and stride_px, or neither of them for whole images")
        return self


class Variant(BaseModel):
    """A further output from the same originals, `[variants.NAME]`; what it leaves out is as in the data set."""

    model_config = _FROZEN

    title: str | None = Field(default=None, description="For people.")
    archive: str | None = Field(default=None, description="The archive of its images.")
    bands: tuple[str, ...] | None = Field(default=None, description="Bands, in the order of the file.")
    image: _Several | None = Field(default=None, description="Patterns of an image.")
    tile_image: str | None = Field(default=None, description="Path of an image tile.")
    tile_px: int | None = Field(default=None, gt=0, description="Side of its tiles, which do not overlap.")


class Split(BaseModel):
    """The published images and tiles of a split."""

    model_config = _FROZEN

    ids: tuple[int, int] | None = Field(default=None, description="First and last image id, both included.")
    scenes: tuple[str, ...] | None = Field(default=None, description="Names of the images.")
    names: str | None = Field(default=None, description="Regular expression of the images' names, where a rule splits.")
    images: int | None = Field(default=None, description="Number of images.")
    tiles: int | None = Field(default=None, description="Number of tiles; absent where there are no public labels.")


_Split = Annotated[Split, BeforeValidator(_as_split)]


class Region(BaseModel):
    """The splits of a region, `[regions.NAME]`."""

    model_config = _FROZEN

    gsd_m: float | None = Field(default=None, description="Ground size of a pixel, metres.")
    crs: str | None = Field(default=None, description="Coordinate reference system.")
    scenes: dict[str, int] | tuple[str, ...] = Field(
        default=(), description="Its scenes: their names, or their number by split."
    )
    train: _Split | None = Field(default=None, description="The training split.")
    val: _Split | None = Field(default=None, description="The validation split.")
    test: _Split | None = Field(default=None, description="The test split.")

    @property
    def splits(self) -> dict[str, Split]:
        """The splits that the region has, by name."""
        found = {name: getattr(self, name) for name in SPLITS}
        return {name: split for name, split in found.items() if split is not None}


class Manifest(BaseModel):
    """The manifest of a data set."""

    model_config = _FROZEN

    name: str = Field(description="As the file; the folder of its tiles below the data root.")
    title: str = Field(description="For people.")
    how_to_get: str = Field(description="What to do where the data are missing.")
    licence: str = Field(description="Name of the licence.")
    conditions: str = Field(description="What the licence asks of those who use the data.")
    restricted: bool = Field(description="The conditions have to be accepted before anything is fetched.")
    by_hand: tuple[str, ...] = Field(default=(), description="Steps to what no program can fetch.")
    citation: str = Field(description="What to cite.")
    note: str = Field(default="", description="What one has to know before trusting a score.")
    gsd_m: float | None = Field(default=None, description="Ground size of a pixel, metres.")
    bands: tuple[str, ...] = Field(description="Bands, in the order of the file.")
    size_px: tuple[int, int] | None = Field(default=None, description="Width and height of the images.")
    side_px: tuple[int, int] | None = Field(default=None, description="Shortest and longest side of the images.")
    num_images: int | None = Field(default=None, description="Number of images.")
    ignore_values: tuple[int, ...] = Field(description="Label values that are not scored; the first one pads tiles.")
    archives: tuple[Archive, ...] = Field(default=(), description="Files to get.")
    files: OriginalFiles | None = Field(default=None, description="Original files.")
    tiling: Tiling | None = Field(default=None, description="Tiles that are cut from them.")
    variants: dict[str, Variant] = Field(default_factory=dict, description="Further outputs, by name.")
    regions: dict[str, Region] = Field(default_factory=dict, description="Splits by region.")
    splits: dict[str, _Split] = Field(default_factory=dict, description="Splits, where there is one region.")
    classes: tuple[LabelClass, ...] = Field(description="Values of the label files.")

    @property
    def access(self) -> str:
        """The way to get the files, in two words for a table."""
        if self.by_hand:
            return "by hand"
        return "data fetch" if self.archives else "drawn"

    def select_archives(self, names: Sequence[str] = (), *, include_optional: bool = False) -> list[Archive]:
        """Return the archives of these names; without names, all that the benches need.

        Args:
            names: Names of archives.
            include_optional: Without names, return also those that no bench needs.

        Raises:
            UnknownName: The data set has no archive of a name.
        """
        available = [archive.name for archive in self.archives]
        if unknown := [name for name in names if name not in available]:
            raise UnknownName(
                f"{self.name} has no archive {unknown[0]!r}. "
                f"Known: {', '.join(available) or 'none, it is fetched by hand'}."
            )
        if names:
            return [archive for archive in self.archives if archive.name in names]
        return [archive for archive in self.archives if include_optional or not archive.optional]

    def legend(self) -> dict[Colour, int]:
        """Return the label value of each RGB colour, for labels that are painted in colours."""
        return {colour: label.value for label in self.classes for colour in label.colours}


def manifest_names() -> list[str]:
    """Return the names of all data sets, sorted."""
    return sorted(path.stem for path in manifests_dir().glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """Read the manifest of a data set.

    Args:
        name: As in `manifest_names`; `-` and `_` are the same.

    Raises:
        UnknownName: There is none of this name.
        ConfigError: A key or value of the file is not allowed.
    """
    name = name.replace("-", "_")
    path = manifests_dir() / f"{name}.toml"
    if name not in manifest_names():
        near = difflib.get_close_matches(name, manifest_names(), n=3)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise UnknownName(f"There is no data set {name!r}.{hint} Known: {', '.join(manifest_names())}.")
    return _parse(path.read_text(encoding="utf-8"), str(path))


@functools.lru_cache(maxsize=64)
def _parse(text: str, path: str) -> Manifest:
    return parse_as(Manifest, tomllib.loads(text), file=path)
