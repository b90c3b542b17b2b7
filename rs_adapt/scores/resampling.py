"""IoU of many confusion matrices at once, and sums over units drawn with replacement. Pure numpy.

Shapes: B matrices, U units, K classes, R resamples. IoU needs only three sums a class: pixels of the class
(truth), pixels predicted as the class (predicted), and pixels that are both (hit). One array (..., 3, K) holds them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.facts import AbsentClasses
from rs_adapt.scores.means import MeanOver, SeenUnseen

# Memory for the draws of one chunk of resamples.
CHUNK_BYTES = 48 * 2**20


def sums_of(matrices_BKK: NDArray[Any]) -> NDArray[np.float64]:
    """Return hit, truth and predicted pixels of each class, (B, 3, K); exact up to 2^53 pixels."""
    hit_BK = np.diagonal(matrices_BKK, axis1=1, axis2=2)
    return np.stack([hit_BK, matrices_BKK.sum(axis=2), matrices_BKK.sum(axis=1)], axis=1).astype(np.float64)


def iou_of_sums(sums_B3K: NDArray[np.float64], zero_K: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Return the IoU in percent, (B, K); NaN where a class has no true pixels.

    Args:
        sums_B3K: Sums of `sums_of`.
        zero_K: Classes whose IoU is 0 without true pixels, if they are predicted; see `zero_classes`. None for none.
    """
    hit, truth, predicted = sums_B3K[:, 0], sums_B3K[:, 1], sums_B3K[:, 2]
    has_value = truth > 0 if zero_K is None else (truth > 0) | zero_K
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(has_value, 100.0 * hit / (truth + predicted - hit), np.nan)


def zero_classes(sums_B3K: NDArray[np.float64], absent: AbsentClasses) -> NDArray[np.bool_] | None:
    """Return the classes (K,) whose IoU is 0 where they are predicted without true pixels; None for none.

    Under mmsegmentation's rule these are the classes without true pixels in all B parts together. A class that only
    single parts lack has no value in those: a part or a resample that happens to miss it says nothing about it.

    Args:
        sums_B3K: Sums of `sums_of` over the parts of one split.
        absent: The rule for classes without true pixels.
    """
    return sums_B3K[:, 1].sum(axis=0) == 0 if absent == "zero_if_predicted" else None


def iou_of(matrices_BKK: NDArray[Any], absent: AbsentClasses = "left_out") -> NDArray[np.float64]:
    """Return the IoU in percent, (B, K), of B confusion matrices, as `scores_of`.

    Args:
        matrices_BKK: Pixel counts, row = truth, column = prediction; each is the whole of something.
        absent: What a class without true pixels counts: nothing (NaN), or 0 if it is predicted, as in mmsegmentation.
    """
    every_K = np.ones(matrices_BKK.shape[-1], dtype=np.bool_)
    return iou_of_sums(sums_of(matrices_BKK), every_K if absent == "zero_if_predicted" else None)


def mean_iou(iou_BK: NDArray[np.float64], scored: MeanOver = None) -> NDArray[np.float64]:
    """Return the mean over the scored classes that have a value, (B,); NaN where none has.

    Of `SeenUnseen` it is the harmonic mean of two such means; NaN where one of them has no value.

    Equal in every bit to the mean of `scores_of`: matrices that lack the same classes are averaged together, because
    zeros in place of absent classes would change the order of the sum.
    """
    if isinstance(scored, SeenUnseen):
        return harmonic_mean(mean_iou(iou_BK, scored.seen), mean_iou(iou_BK, scored.unseen))
    chosen_BK = iou_BK if scored is None else iou_BK[:, list(scored)]
    defined_BK = ~np.isnan(chosen_BK)
    mean_B = np.full(len(chosen_BK), np.nan)
    for defined_K in np.unique(defined_BK, axis=0):
        if defined_K.any():
            rows = (defined_BK == defined_K).all(axis=1)
            mean_B[rows] = np.ascontiguousarray(chosen_BK[rows][:, defined_K]).mean(axis=1)
    return mean_B


def harmonic_mean(seen_B: NDArray[np.float64], unseen_B: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `2 s u / (s + u)`, (B,): 0 where both are 0, NaN where one is."""
    total_B = seen_B + unseen_B
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total_B == 0, 0.0, 2 * seen_B * unseen_B / total_B)


def miou_of(
    matrices_BKK: NDArray[Any], scored: MeanOver = None, absent: AbsentClasses = "left_out"
) -> NDArray[np.float64]:
    """Return the mIoU in percent, (B,), of B confusion matrices.

    Args:
        matrices_BKK: Pixel counts, row = truth, column = prediction.
        scored: The classes in the mean; None takes all. Pixels of the others still count as errors.
        absent: See `iou_of`.

    Returns:
        The mean over those of these classes that have a value; NaN where none has.
    """
    return mean_iou(iou_of(matrices_BKK, absent), scored)


def drawn_sums(
    sums_U3K: Sequence[NDArray[np.float64]], *, resamples: int, seed: int, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[list[NDArray[np.float64]]]:
    """Yield sums over U units drawn with replacement, in chunks; all arrays share the draws.

    The number of times that each unit is drawn is multinomial: U draws, probability 1 / U. Sums of counts are exact in
    float64, so neither the chunks nor the order of units within a draw matter.

    Args:
        sums_U3K: Arrays (U, 3, K) over the same units.
        resamples: Number of resamples, R.
        seed: Seed of the draws; the same seed and U give the same draws.
        chunk_bytes: Memory that the draws may take at once.

    Yields:
        For each array its sums (R', 3, K), until the R' add up to R.
    """
    rng = np.random.default_rng(seed)
    num_units = len(sums_U3K[0])
    flat = [sums.reshape(num_units, -1) for sums in sums_U3K]
    # A draw takes an int64 for the unit, an int64 for its count and a float64 for the same count.
    rows = max(1, chunk_bytes // (24 * num_units))
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = rng.integers(0, num_units, size=(count, num_units))
        drawn += np.arange(count)[:, None] * num_units
        times_RU = np.bincount(drawn.ravel(), minlength=count * num_units).reshape(count, num_units).astype(np.float64)
        yield [(times_RU @ part).reshape(count, 3, -1) for part in flat]
