"""The way a pack sees scenes: which bands are red, green and blue, and which values become black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rs_adapt.errors import ConfigError, DataError
from rs_adapt.scenes import Scene, stored_form

if TYPE_CHECKING:
    from pydantic import JsonValue

    from rs_adapt.runs.records import Manifest


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
    """

    bands: tuple[int, int, int] | None = None
    ranges: tuple[tuple[float, float], ...] | None = None
    by_scene: bool = False
    nodata: float | Literal["none"] | None = None
    region: str = ""

    def open(self, path: Path) -> Scene:
        """Open a scene as the model saw those of its region.

        Raises:
            DataNotFound: There is no such file.
            DataError: It is no readable image, lacks a band, or its values cannot be brought to those of the training.
        """
        form = stored_form(path)
        if form.dtype != "uint8" and self.ranges is None and not self.by_scene:
            trained = f"the region {self.region}" if self.region else "a bench whose tiles"
            raise DataError(
                f"{path} holds values of type {form.dtype}, and the model was trained on {trained} of 8 bit. Give the "
                "values that become black and white with --stretch LOW,HIGH, or --stretch scene for the percentiles of "
                "each scene."
            )
        if self.bands is None and form.num_bands not in (1, 3, 4):
            raise DataError(
                f"{path} has {form.num_bands} bands. Name those that are red, green and blue as the model was trained "
                "on with --bands, such as --bands 4,3,2."
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
        return Scene(path, bands=self.bands, stretch=ranges, nodata=self.nodata)


def appearance_of(manifest: Manifest, *, region: str | None = None) -> Appearance:
    """Return the appearance of the scenes that a pack is made for.

    Args:
        manifest: The pack's manifest.
        region: Name of the region whose bands, stretch and nodata value apply; None for the target's, or the source's
            where there is no target.

    Raises:
        ConfigError: The pack knows no such region.
    """
    if not manifest.own_bench:
        if region is not None:
            raise ConfigError(f"--region is {region}, but the pack is of a shipped bench, whose regions look alike.")
        return Appearance()
    tables = {_name(manifest.own_bench, role): role for role in ("source", "target") if role in manifest.own_bench}
    chosen = (
        region
        if region is not None
        else _name(manifest.own_bench, "target" if "target" in manifest.own_bench else "source")
    )
    if chosen not in tables:
        raise ConfigError(f"--region is {chosen}. The pack was trained on: {', '.join(tables)}.")
    table = manifest.own_bench[tables[chosen]]
    assert isinstance(table, dict)
    stretch = (manifest.stretch or {}).get(chosen, {})
    return Appearance(
        bands=_bands(table.get("bands")),
        ranges=_ranges(stretch.get("range")),
        by_scene=stretch.get("from") == "scene",
        nodata=_nodata(table.get("nodata")),
        region=chosen,
    )


def _name(own_bench: Mapping[str, JsonValue], role: str) -> str:
    table = own_bench.get(role)
    name = table.get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) and name else role


def _bands(value: JsonValue) -> tuple[int, int, int] | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    first, second, third = (int(band) for band in value if isinstance(band, int))
    return first, second, third


def _ranges(value: JsonValue) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(value, list):
        return None
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
    return tuple((float(low), float(high)) for low, high in pairs)  # type: ignore[arg-type]


def _nodata(value: JsonValue) -> float | Literal["none"] | None:
    if value == "none":
        return "none"
    return float(value) if isinstance(value, int | float) else None


def _words(ranges: Sequence[tuple[float, float]]) -> str:
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    return f"{low:g} to {high:g}"
