"""Scores of single velocity images on disk, `images.json`; means, intervals and paired differences. Loads no torch.

Slices of one snapshot are not independent, so intervals are over snapshots: the mean of each snapshot is one value, and
the interval of their mean is Student's, with as many degrees of freedom as there are snapshots less one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from rs_adapt.errors import ScoresError
from rs_adapt.runs.files import IMAGES_FILE
from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record, read_record

if TYPE_CHECKING:
    from rs_adapt.runs.records import Result

LEVEL = 0.95
# Name of each measure for people, its unit, and whether larger is better.
MEASURES: Mapping[str, tuple[str, str, bool]] = {
    "psnr_db": ("PSNR", "dB", True),
    "ssim": ("SSIM", "", True),
    "divergence": ("divergence", "of the gradient", False),
    "spectrum_dex": ("spectrum", "dex", False),
    "resolved_dex": ("resolved scales", "dex", False),
    "subgrid_dex": ("subgrid scales", "dex", False),
}


class ImageScore(Record):
    """The measures of one image; see `rs_adapt.turbulence.measures.Measures`."""

    name: str = Field(description="Snapshot and slice.")
    snapshot: str = Field(description="Name of the snapshot.")
    psnr_db: float = Field(description="Peak signal-to-noise ratio in decibels.")
    ssim: float = Field(description="Structural similarity.")
    divergence: float | None = Field(
        description="RMS of the divergence error over the RMS of the true in-plane gradient; null of colours, and "
        "where the true velocity is the same everywhere."
    )
    spectrum_dex: float | None = Field(
        description="Log-spectral distance over all wavenumbers, decades; null of an image of one value."
    )
    resolved_dex: float | None = Field(
        description="The same up to the coarse grid's Nyquist wavenumber; null without energy there."
    )
    subgrid_dex: float | None = Field(description="The same beyond it; null without energy there.")


class ImageScores(Record):
    """`images.json`: the measures of all images of a split."""

    format: FormatNumber = FORMAT
    bench: str = Field(description="Name of the bench.")
    split: str = Field(description="test, val or train.")
    scale: int = Field(description="Factor of super-resolution.")
    degradation: str = Field(description="How coarse images were made: box or spectral.")
    data_sha256: str = Field(description="Fingerprint of the fine images.")
    iter: int = Field(description="Iterations of training.")
    images: Sequence[ImageScore] = Field(description="One entry an image.")


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over snapshots with its interval.

    Attributes:
        mean: The mean of the snapshots' means.
        low: Lower end of the 95 % interval; None with fewer than two snapshots.
        high: Upper end.
        snapshots: Number of snapshots.
    """

    mean: float
    low: float | None
    high: float | None
    snapshots: int

    def to_json(self) -> dict[str, float | int | None]:
        """Return the content as JSON, which has no NaN: null where no image has a value."""
        return asdict(self) | {"mean": None if math.isnan(self.mean) else self.mean}


def measured(images: Sequence[ImageScore]) -> dict[str, dict[str, float | int | None]]:
    """Return each measure's mean over snapshots with its interval, as `result.json` holds it."""
    result = {}
    for name in MEASURES:
        found = estimate(by_snapshot(images, name).values())
        values = {"mean": found.mean, "low": found.low, "high": found.high}
        rounded = {
            key: None if value is None or math.isnan(value) else round(value, 5) for key, value in values.items()
        }
        result[name] = {**rounded, "snapshots": found.snapshots}
    return result


def find_contradictions(result: Result, scores: ImageScores) -> list[str]:
    """Return what in a `result.json` the scores of its images do not give, as sentences.

    Args:
        result: Content of `result.json`.
        scores: Content of the `images.json` beside it.
    """
    given, stated = _by_key(measured(scores.images)), _by_key(result.measures)
    given["psnr_db"] = given["measures.psnr_db.mean"]
    stated["psnr_db"] = result.psnr_db
    for name, point in result.selections.items():
        if point is not None:
            stated[f"selections.{name}.psnr_db"], given[f"selections.{name}.psnr_db"] = point.psnr_db, given["psnr_db"]
    sentences = [
        f"result.json states {stated.get(key)} as {key}, but the images of images.json give {value}."
        for key, value in given.items()
        if not _close(stated.get(key), value)
    ]
    if result.protocol.report_split not in (None, scores.split):
        sentences.append(
            f"result.json is of the split {result.protocol.report_split}, and images.json of {scores.split}."
        )
    if result.iter not in (None, scores.iter):
        sentences.append(f"result.json is of iteration {result.iter}, and images.json of {scores.iter}.")
    return sentences


def check_images(folder: Path, result: Result) -> tuple[str, ...]:
    """Return what in a result the scores of its images contradict, or why they cannot be read, as sentences.

    Args:
        folder: The folder of the result.
        result: Content of its `result.json`.
    """
    try:
        return tuple(find_contradictions(result, read_scores(folder / IMAGES_FILE)))
    except ScoresError as error:
        return (f"The scores in result.json cannot be recomputed: {error}",)


def mean_measures(images: Sequence[ImageScore]) -> dict[str, float]:
    """Return the mean of each measure over the snapshots' means; NaN where no image has a value."""
    return {name: estimate(by_snapshot(images, name).values()).mean for name in MEASURES}


def by_snapshot(images: Sequence[ImageScore], measure: str) -> dict[str, float]:
    """Return the mean of a measure by snapshot; images without a value count nowhere."""
    values: dict[str, list[float]] = {}
    for image in images:
        if (value := getattr(image, measure)) is not None:
            values.setdefault(image.snapshot, []).append(float(value))
    return {snapshot: float(np.mean(of)) for snapshot, of in values.items()}


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of snapshots with Student's interval."""
    from scipy.special import stdtrit

    given = np.array(list(values), np.float64)
    if given.size == 0:
        return Estimate(mean=math.nan, low=None, high=None, snapshots=0)
    mean = float(given.mean())
    if given.size < 2:
        return Estimate(mean=mean, low=None, high=None, snapshots=int(given.size))
    half = float(stdtrit(given.size - 1, (1 + LEVEL) / 2)) * float(given.std(ddof=1)) / math.sqrt(given.size)
    return Estimate(mean=mean, low=mean - half, high=mean + half, snapshots=int(given.size))


def differences(a: ImageScores, b: ImageScores) -> dict[str, Estimate]:
    """Return B minus A for each measure, paired by image, with intervals over snapshots.

    Raises:
        ScoresError: The runs were not scored on the same images at the same factor and degradation.
    """
    for what in ("scale", "degradation", "split", "data_sha256"):
        one, other = getattr(a, what), getattr(b, what)
        if one != other:
            raise ScoresError(
                f"The runs cannot be compared: {what} is {one} in the first and {other} in the second. Compare runs "
                "that were scored on the same images."
            )
    of_a, of_b = ({image.name: image for image in run.images} for run in (a, b))
    if of_a.keys() != of_b.keys():
        raise ScoresError("The runs cannot be compared: their images have different names.")
    result = {}
    for name in MEASURES:
        by_a, by_b = by_snapshot(a.images, name), by_snapshot(b.images, name)
        result[name] = estimate([by_b[key] - by_a[key] for key in sorted(by_a.keys() & by_b.keys())])
    return result


def read_scores(path: Path) -> ImageScores:
    """Return the content of an `images.json`.

    Raises:
        ScoresError: It is missing or damaged.
    """
    scores = read_record(path, ImageScores, error=ScoresError, remedy="Score the run again: rs-adapt eval.")
    if scores is None:
        raise ScoresError(f"There is no {path}. rs-adapt eval RUN writes one.")
    return scores


def _by_key(measures: Mapping[str, Mapping[str, float | int | None]]) -> dict[str, float | int | None]:
    return {f"measures.{name}.{key}": value for name, of in measures.items() for key, value in of.items()}


def _close(stated: float | int | None, value: float | int | None) -> bool:
    # Values are rounded to five digits.
    return stated is value if stated is None or value is None else abs(stated - value) < 2e-5
