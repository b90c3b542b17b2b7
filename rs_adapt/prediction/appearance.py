"""The way a pack sees scenes: which bands are red, green and blue, and which values become black and white."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.config.own.bench_file import BenchFile
from rs_adapt.datasets.own.stretch import parse_stretch
from rs_adapt.errors import CheckpointMismatch, ConfigError, DataError
from rs_adapt.runs.packs import pack_folder
from rs_adapt.runs.resolvers import locate_resolver
from rs_adapt.scenes import Scene, stored_form
from rs_adapt.validation import parse_as

if TYPE_CHECKING:
    from rs_adapt.runs.records import Manifest

_REMEDY = "Copy the pack again."


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How scenes become the 8-bit RGB that a model was trained on.

    Attributes:
        bands: 1-based numbers of the bands that are red, green and blue; None for the file's own.
        ranges: Values that become 0 and 255 in red, green and blue; None where scenes of 8 bit are read as they are
            stored.
        by_scene: Whether each deeper scene is stretched between its own percentiles.
        nodata: Value of pixels without data, in place of the file's; "none" for a scene without such pixels.
        region: Name of the region whose settings these are; empty for a pack of a shipped bench.
        gsd_m: Ground size in metres of the pixels that the model was trained on; None where it is not known.
        gsd_matched: Whether both regions of the training were brought to that size, so that scenes are to be, too.
        resolver: SHA-256 of the model of super-resolution that enlarges coarser scenes; None for interpolation.
        resolver_folder: Folder of that model on this machine.
    """

    bands: tuple[int, int, int] | None = None
    ranges: tuple[tuple[float, float], ...] | None = None
    by_scene: bool = False
    nodata: float | Literal["none"] | None = None
    region: str = ""
    gsd_m: float | None = None
    gsd_matched: bool = False
    resolver: str | None = None
    resolver_folder: Path | None = None

    def open(self, path: Path) -> Scene:
        """Open a scene as the model saw those of its region.

        Raises:
            DataNotFound: There is no such file.
            DataError: It is no readable image, lacks a band, or its values cannot be brought to those of the training.
        """
        form = stored_form(path)
        if form.dtype != "uint8" and self.ranges is None and not self.by_scene:
            trained = f"images of 8 bit (region {self.region})" if self.region else "tiles of 8 bit"
            raise DataError(
                f"{path} holds values of type {form.dtype}, and the model was trained on {trained}. Give the values "
                "that become black and white with --stretch LOW,HIGH, or --stretch scene for the percentiles of each "
                "scene."
            )
        if self.bands is None and form.num_bands not in (1, 3, 4):
            raise DataError(
                f"{path} has {form.num_bands} bands. Name those that are red, green and blue as the model was trained "
                "on with --bands, such as --bands 4,3,2."
            )
        if self.bands is None and form.num_bands == 1 and not self.region:
            raise DataError(
                f"{path} has one band, and the model was trained on tiles in colour. To show it in grey all the same, "
                "add --bands 1,1,1."
            )
        ranges = self.ranges
        if form.dtype == "uint8" and self.region and ranges is not None and form.byte_range is None:
            trained_deep = max(high for _, high in ranges) > 255
            if trained_deep:
                raise DataError(
                    f"{path} is of 8 bit, and the model was trained on values of {_words(ranges)} (region "
                    f"{self.region}). Give the deep original, or --stretch scene if this file is that original brought "
                    "to 8 bit."
                )
        try:
            return Scene(path, bands=self.bands, stretch=ranges, nodata=self.nodata)
        except DataError as error:
            if self.bands is None or max(self.bands) <= form.num_bands:
                raise
            bands = ",".join(map(str, self.bands))
            count = "1 band" if form.num_bands == 1 else f"{form.num_bands} bands"
            raise DataError(
                f"{path} has {count}, and bands {bands} are to be red, green and blue. Give a scene with these bands, "
                "or name those that show what the model was trained on with --bands."
            ) from error


def appearance_of(manifest: Manifest, *, region: str | None = None) -> Appearance:
    """Return the appearance of the scenes that a pack is made for.

    Args:
        manifest: The pack's manifest.
        region: Name of the region whose bands, stretch and nodata value apply; None for the target's, or the source's
            where there is no target.

    Raises:
        ConfigError: The pack knows no such region.
        CheckpointMismatch: The manifest is damaged.
    """
    if not manifest.own_bench:
        if region is not None:
            raise ConfigError(f"--region is {region}, but the pack is of a shipped bench, whose regions look alike.")
        return Appearance(gsd_m=manifest.gsd_m, gsd_matched=manifest.gsd_matched)
    given = dict(manifest.own_bench)
    bench = parse_as(BenchFile, given, file="own_bench of the manifest", error=CheckpointMismatch, remedy=_REMEDY)
    regions = {table.name or role: table for role, table in (("source", bench.source), ("target", bench.target))}
    chosen = region if region is not None else bench.target.name or "target"
    if chosen not in regions:
        raise ConfigError(f"--region is {chosen}. The pack was trained on: {', '.join(regions)}.")
    table = regions[chosen]
    stored = parse_stretch(
        dict(manifest.stretch or {}), file="stretch of the manifest", error=CheckpointMismatch, remedy=_REMEDY
    )
    stretch = stored.get(chosen)
    ranges = None if stretch is None else stretch["range"]
    return Appearance(
        bands=None if table.bands is None else (table.bands[0], table.bands[1], table.bands[2]),
        ranges=None if ranges is None else tuple((low, high) for low, high in ranges),
        by_scene=stretch is not None and stretch["from"] == "scene",
        nodata=table.nodata,
        region=chosen,
        gsd_m=manifest.gsd_m if manifest.gsd_matched else table.gsd_m or bench.gsd_m or manifest.gsd_m,
        gsd_matched=manifest.gsd_matched,
    )


def _words(ranges: Sequence[tuple[float, float]]) -> str:
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return f"{low:g} to {high:g}"


def choose_appearance(
    manifest: Manifest,
    *,
    pack: Path | None = None,
    region: str | None,
    bands: Sequence[int] | None,
    stretch: Sequence[float] | Literal["scene"] | None,
) -> Appearance:
    """Return how a pack sees scenes, with the options of a call.

    Args:
        manifest: The pack's.
        pack: Folder of the pack, in whose run the model that enlarges scenes lies; None to interpolate them.
        region: See `appearance_of`.
        bands: Numbers of the bands that become red, green and blue, from 1; None for those of the training.
        stretch: Values that become 0 and 255, `scene` for percentiles of each scene, or None for the training's.

    Raises:
        ConfigError: A value is not allowed.
        CheckpointMismatch: The model that enlarges scenes is missing or damaged.
    """
    appearance = appearance_of(manifest, region=region)
    if pack is not None and manifest.resolver is not None:
        folder = locate_resolver(pack_folder(pack), manifest.resolver)
        appearance = replace(appearance, resolver=manifest.resolver.sha256, resolver_folder=folder)
    if bands is not None:
        if len(bands) != 3 or min(bands) < 1:
            raise ConfigError(f"--bands is {list(bands)}. Allowed: three numbers from 1, such as --bands 4,3,2.")
        red, green, blue = bands
        appearance = replace(appearance, bands=(red, green, blue))
    if stretch == "scene":
        return replace(appearance, ranges=None, by_scene=True)
    if stretch is not None:
        if len(stretch) != 2 or not -math.inf < stretch[0] < stretch[1] < math.inf:
            raise ConfigError(
                f"--stretch is {stretch}. Allowed: two values, the smaller one first, such as --stretch 200,3000, or "
                "scene."
            )
        low, high = (float(value) for value in stretch)
        return replace(appearance, ranges=((low, high),) * 3, by_scene=False)
    return appearance
