"""Two predictors over a set of images: evidence and the largest differences."""

from __future__ import annotations

from collections.abc import Iterable

from rs_adapt.errors import DataError
from rs_adapt.judging.evidence import Evidence, EvidenceCounter
from rs_adapt.judging.pairs import PairPrediction
from rs_adapt.judging.sample import PointSampler
from rs_adapt.judging.views import LargestDifferences, View


def compare_predictions(
    pairs: Iterable[PairPrediction],
    *,
    num_classes: int,
    num_images: int,
    pictures: int,
    sampler: PointSampler | None = None,
) -> tuple[Evidence, tuple[View, ...]]:
    """Return the evidence of a set of images and those that differ most, with one image in memory at a time.

    Args:
        pairs: The predictions, image by image.
        num_classes: K.
        num_images: Number of images.
        pictures: Number of images to return.
        sampler: Is offered all pixels; None for no sample.

    Raises:
        DataError: No pixel shows an image.
    """
    counter = EvidenceCounter(num_classes=num_classes, num_images=num_images)
    largest = LargestDifferences(pictures)
    for pair in pairs:
        counter.add(pair)
        largest.add(pair)
        if sampler is not None:
            sampler.add(pair)
    evidence = counter.evidence()
    if evidence is None:
        raise DataError("No pixel of the images has data, so there is nothing to compare. Name different images.")
    return evidence, largest.views()
