"""The values of a region's scenes that become black and white: equal for all of its tiles, and saved beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NotRequired, TypedDict, cast

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, RootModel, model_validator

from rs_adapt.datasets.prepared_marker import REMAKE, read_own_record
from rs_adapt.datasets.recipes import SceneRegion
from rs_adapt.errors import DataError, RsAdaptError
from rs_adapt.files import write_json
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.validation import parse_as

if TYPE_CHECKING:
    from rs_adapt.scenes import StoredForm

# In a prepared folder: how the values of each region became 8 bit.
STRETCH_FILE = "stretch.json"
# Pixels of a region, over all of its images, that percentiles are taken of; three bands of 16 bit are 24 MiB.
SAMPLE_PX = 1 << 22
# Memory (MiB) in which GDAL may keep blocks of files while they are sampled.
_CACHE_MIB = 160


# How the values of a region become 8 bit, as JSON; see `stretch_of_region`.
Stretch = TypedDict(
    "Stretch",
    {
        "from": str,
        "range": list[list[float]] | None,
        "pct": NotRequired[list[float]],
        "images": NotRequired[int],
        "step_px": NotRequired[int],
        "pixels": NotRequired[int],
    },
)


class _StretchRecord(BaseModel):
    """A `Stretch` as it is read from a file."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["as stored", "given", "scene", "percentiles"] = Field(alias="from", description="Where it is from.")
    range: list[Annotated[list[float], Field(min_length=2, max_length=2)]] | None = Field(
        description="Pairs of values that become 0 and 255, for red, green and blue."
    )
    pct: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="The percentiles."
    )
    images: PositiveInt | None = Field(default=None, description="Number of images that they were taken of.")
    step_px: PositiveInt | None = Field(default=None, description="Step between the pixels that were read.")
    pixels: PositiveInt | None = Field(default=None, description="Number of pixels.")

    @model_validator(mode="after")
    def _check_parts(self) -> _StretchRecord:
        if self.kind in ("given", "percentiles") and len(self.range or ()) != 3:
            raise ValueError("range must be three pairs of values")
        if self.kind == "percentiles" and (self.pct is None or self.images is None):
            raise ValueError("pct and images are missing")
        return self


class _StretchFile(RootModel[dict[str, _StretchRecord]]):
    """By region."""


def stretch_of_region(region: SceneRegion, images: Sequence[Path], on_progress: OnProgress = no_progress) -> Stretch:
    """Return how the values of a region's images become 8 bit.

    Where the bench gives nothing and the images are not of 8 bit, percentiles are taken over all images together: of
    each one every n-th pixel of every n-th row is read, with one n for all, so an image counts by its valid pixels.

    Args:
        region: The region.
        images: Images of all its splits.
        on_progress: Called after each image that is read.

    Returns:
        `from`: "as stored" (8 bit), "given", "scene" (each image by itself) or "percentiles"; `range`: a pair of values
        that become 0 and 255 for red, green and blue, None where there is no such range (for 8 bit with a scale and an
        offset, it undoes these). For percentiles also `pct`,
        `images`, `step_px` and `pixels`, the number that they were taken of.

    Raises:
        DataError: An image cannot be read, images of 8 bit and deeper ones, of whole numbers and fractions, or of one
            band and of colours are mixed, or no pixel is valid; see also `percentile_ranges`.
    """
    from rs_adapt.scenes import stored_form

    forms = {image: stored_form(image) for image in images}
    if region.bands is None:
        _refuse_grey_among_colours(region, forms)
    if region.stretch == "scene":
        return {"from": "scene", "range": None}
    if region.stretch is not None:
        return {"from": "given", "range": [[float(value) for value in pair] for pair in region.stretch]}
    shallow = [image for image, form in forms.items() if form.dtype == "uint8"]
    deep = [image for image, form in forms.items() if form.dtype != "uint8"]
    if not deep:
        return {"from": "as stored", "range": None}
    byte_ranges = {form.byte_range for form in forms.values()}
    if len(byte_ranges) == 1 and (byte_range := byte_ranges.pop()) is not None:
        # One scale and offset for all bytes of the region: as they are stored, they look the same.
        return {"from": "as stored", "range": [[*byte_range]] * 3}
    if shallow:
        raise DataError(
            f"Region {region.name} mixes images of 8 bit ({len(shallow)}, such as {shallow[0]}) and deeper ones "
            f"({len(deep)}, such as {deep[0]}): no stretch fits both. Choose images of one kind (pattern), or give "
            'stretch = [low, high] for all, or stretch = "scene" to stretch each deeper one by itself.'
        )
    fractions = [image for image in deep if forms[image].dtype.startswith("float")]
    if fractions and len(fractions) < len(deep):
        whole = next(image for image in deep if image not in fractions)
        raise DataError(
            f"Region {region.name} mixes images of whole numbers (such as {whole}) and of fractions "
            f"({len(fractions)}, such as {fractions[0]}): their values mean different things. Choose images of one "
            'kind (pattern), or give stretch = [low, high] for all, or stretch = "scene" to stretch each by itself.'
        )
    step_px = max(1, math.ceil(math.sqrt(sum(form.width_px * form.height_px for form in forms.values()) / SAMPLE_PX)))
    return _percentiles(region, images, step_px, on_progress)


def _refuse_grey_among_colours(region: SceneRegion, forms: Mapping[Path, StoredForm]) -> None:
    grey = [image for image, form in forms.items() if form.num_bands < 3]
    if grey and len(grey) < len(forms):
        form = forms[grey[0]]
        raise DataError(
            f"Region {region.name} mixes images of three or more bands and of fewer ({len(grey)}, such as {grey[0]} "
            f"with {form.num_bands}), which would be grey among colours. Choose images of one kind (pattern), or state "
            "bands that all of them have, such as bands = [1, 1, 1]."
        )


def _percentiles(
    region: SceneRegion,
    images: Sequence[Path],
    step_px: int,
    on_progress: OnProgress,
) -> Stretch:
    import numpy as np
    import rasterio

    from rs_adapt.scenes import STRETCH_PCT, Scene, percentile_ranges

    parts = []
    for done, image in enumerate(images, start=1):
        with (
            rasterio.Env(GDAL_CACHEMAX=_CACHE_MIB << 20),
            Scene(image, bands=region.bands, nodata=region.nodata) as scene,
        ):
            parts.append(scene.read_valid(step_px))
        on_progress(f"reading the brightness of {region.name}", done, len(images))
    values_CN = np.concatenate(parts, axis=1)
    if values_CN.shape[1] == 0:
        raise DataError(
            f"Region {region.name}: no pixel of its {len(images)} images is valid. Check their nodata value and mask."
        )
    ranges = percentile_ranges(values_CN, f"Region {region.name}")
    return {
        "from": "percentiles",
        "range": ranges,
        "pct": list(STRETCH_PCT),
        "images": len(images),
        "step_px": step_px,
        "pixels": values_CN.shape[1],
    }


def write_stretch(folder: Path, stretch: Mapping[str, Stretch]) -> None:
    """Write the stretch of each region into a prepared folder."""
    write_json(folder / STRETCH_FILE, stretch, indent=1)


def read_stretch(prepared_dir: str | Path) -> dict[str, Stretch]:
    """Read the record that `write_stretch` wrote into a prepared folder.

    Raises:
        DataError: It is missing or damaged.
    """
    path = Path(prepared_dir) / STRETCH_FILE
    return parse_stretch(read_own_record(path), file=str(path), remedy=REMAKE)


def parse_stretch(
    content: object, *, file: str, remedy: str, error: type[RsAdaptError] = DataError
) -> dict[str, Stretch]:
    """Return the stretch of each region, as a file or a pack holds it.

    Raises:
        RsAdaptError: Of class `error`: it is damaged; the message names `file` and ends with `remedy`.
    """
    parse_as(_StretchFile, content, file=file, error=error, remedy=remedy)
    return cast("dict[str, Stretch]", content)


def require_same(now: Stretch, trained: Stretch, region: str) -> None:
    """Refuse scenes whose percentiles differ from those that a model was trained with.

    Args:
        now: The stretch of the region's scenes.
        trained: The stretch when the model was trained.
        region: Name of the region.

    Raises:
        DataError: Both are percentiles, and they differ.
    """
    if "percentiles" == now["from"] == trained["from"] and now["range"] != trained["range"]:
        raise DataError(
            f"The images of region {region} have changed since the training: what becomes black and white is now "
            f"{describe_stretch(now)}, and was {describe_stretch(trained)}. To score them as the model was trained, "
            f"write stretch = {trained['range']} for this region into the bench's file, and name the file with --bench."
        )


def describe_stretch(stretch: Stretch) -> str:
    """Return a stretch as a phrase for people."""
    if stretch["from"] == "as stored":
        return "none, its images are of 8 bit"
    if stretch["from"] == "scene":
        return "each scene by itself"
    pairs = [f"{low:g} to {high:g}" for low, high in stretch["range"] or ()]
    shown = pairs[0] if len({*pairs}) == 1 else ", ".join(pairs)
    if stretch["from"] == "given":
        return f"{shown} (given)"
    low, high = (f"{value:g}" for value in stretch["pct"])
    return f"{shown} (percentiles {low} and {high} of all {stretch['images']} images)"
