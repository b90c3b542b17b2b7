"""Classes without true pixels, in the whole split or in a resample: means, intervals, paired differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rs_adapt.scores.intervals import bootstrap, paired_difference
from rs_adapt.scores.resampling import drawn_sums, iou_of, iou_of_sums, mean_iou, miou_of, sums_of

# Water (class 2) lies in two of four scenes; a few pixels are called water in the others.
CLIFF = np.array(
    [
        [[900, 80, 20], [90, 905, 5], [10, 10, 880]],
        [[880, 100, 20], [100, 895, 5], [20, 10, 870]],
        [[910, 85, 5], [80, 915, 5], [0, 0, 0]],
        [[890, 105, 5], [95, 900, 5], [0, 0, 0]],
    ]
)


def test_a_resample_without_a_class_leaves_it_out() -> None:
    drawn = np.concatenate([part for (part,) in drawn_sums([sums_of(CLIFF)], resamples=2000, seed=0)])
    without = drawn[:, 1, 2] == 0
    # One resample in sixteen has no water, and pixels called water in all of them.
    assert 0.04 < without.mean() < 0.09
    assert (drawn[without, 2, 2] > 0).all()
    iou_RK = iou_of_sums(drawn)
    assert np.isnan(iou_RK[without, 2]).all()
    miou_R = mean_iou(iou_RK)
    np.testing.assert_allclose(miou_R[without], iou_RK[without][:, :2].mean(axis=1))
    found = bootstrap(CLIFF).miou
    assert found is not None
    # Scored 0, those resamples alone would give a standard error of 7 points: [59.7, 100].
    assert found.high - found.low < 7


def test_a_class_that_the_whole_split_lacks_counts_0_under_mmsegmentations_rule_only() -> None:
    units = CLIFF[2:]
    total = units.sum(axis=0)[None]
    ours, theirs = miou_of(total)[0], miou_of(total, absent="zero_if_predicted")[0]
    assert theirs == pytest.approx(2 / 3 * ours)
    assert math.isnan(iou_of(total)[0, 2])
    assert iou_of(total, "zero_if_predicted")[0, 2] == 0
    for value, interval in (
        (ours, bootstrap(units, level=0.5).miou),
        (theirs, bootstrap(units, level=0.5, absent="zero_if_predicted").miou),
    ):
        assert interval is not None
        assert interval.low < value < interval.high
        assert (interval.low + interval.high) / 2 == pytest.approx(value)
    # A class that only a resample lacks says nothing about it, under either rule.
    assert bootstrap(CLIFF, absent="zero_if_predicted") == bootstrap(CLIFF)


def test_paired_differences_leave_a_missing_class_out_of_both_sides() -> None:
    # B calls nothing water where there is none; A does. In the resamples without water neither counts it.
    better = CLIFF.copy()
    better[2:, :, 0] += better[2:, :, 2]
    better[2:, :, 2] = 0
    found = paired_difference(CLIFF, better).miou
    assert found.interval is not None
    # Scored 0 they would give 39 points.
    assert found.interval.high - found.interval.low < 3
    assert paired_difference(CLIFF, better, absent="zero_if_predicted").miou == found


def test_a_class_in_one_unit_has_no_interval() -> None:
    units = CLIFF[1:]
    found = bootstrap(units)
    assert [interval is None for interval in found.iou] == [False, False, True]
    paired = paired_difference(units, units).iou[2]
    assert (paired.points, paired.interval, paired.share_above) == (0.0, None, None)
