"""Bootstrap intervals: compared with all resamples of two and three units, and with `scores_of`."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from rs_adapt.errors import ScoresError
from rs_adapt.metrics import scores_of
from rs_adapt.scores.intervals import bootstrap, interval_facts, paired_difference
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import drawn_sums, iou_of, iou_of_sums, mean_iou, miou_of, sums_of
from rs_adapt.scores.t_interval import t_quantile
from rs_adapt.scores.units import units_of

# Two classes; IoU of the three units by hand: 1/2 and 2/3, 1/4 and 0 (of 3), 1 and 1.
THREE = np.array([[[1, 1], [0, 2]], [[1, 2], [1, 0]], [[3, 0], [0, 1]]])
BETTER = np.array([[[2, 0], [0, 2]], [[1, 2], [0, 1]], [[2, 1], [0, 1]]])


def random_matrices(count: int, classes: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """Return matrices in which each class is absent from some."""
    rng = np.random.default_rng(seed)
    here = rng.random((count, classes)) < 0.7
    return rng.integers(0, 5000, (count, classes, classes)) * here[:, :, None] * here[:, None, :]


def all_draws(units: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the sums over each of the U^U equally likely draws."""
    return np.array([units[list(draw)].sum(axis=0) for draw in itertools.product(range(len(units)), repeat=len(units))])


def per_image(counts: np.ndarray[Any, Any], scenes: tuple[str, ...], cities: tuple[str, ...] | None = None) -> PerImage:
    return PerImage(
        tiles=tuple(str(number) for number in range(len(counts))),
        scenes=scenes,
        cities=cities or ("",) * len(counts),
        classes=tuple("abcdefghijklmnop"[: counts.shape[1]]),
        counts_NKK=counts.astype(np.int64),
        facts={},
    )


@pytest.mark.parametrize("classes", [2, 7, 8, 9, 16, 40])
def test_resampled_scores_equal_the_direct_ones_bit_for_bit(classes: int) -> None:
    matrices = random_matrices(300, classes)
    found, iou = miou_of(matrices), iou_of(matrices)
    for number, matrix in enumerate(matrices):
        expected = scores_of(matrix, [str(index) for index in range(classes)])
        np.testing.assert_array_equal(found[number], expected.miou_pct)
        np.testing.assert_array_equal(iou[number], list(expected.iou_pct.values()))


def test_scored_classes_only_enter_the_mean() -> None:
    (matrix,) = random_matrices(1, 5, seed=3) + 1
    iou = iou_of(matrix[None])[0]
    assert miou_of(matrix[None], scored=(3, 0))[0] == pytest.approx((iou[3] + iou[0]) / 2)


def test_classes_that_never_occur_have_no_value() -> None:
    matrices = np.array([[[4, 0], [0, 0]], [[0, 0], [0, 0]]])
    assert math.isnan(iou_of(matrices)[0, 1])
    assert miou_of(matrices)[0] == 100.0
    assert math.isnan(miou_of(matrices)[1])


def test_iou_does_not_change_with_order_or_amount() -> None:
    matrices = random_matrices(50, 6) * 8
    order = [3, 1, 4, 0, 2, 5]
    turned = matrices[:, order][:, :, order]
    np.testing.assert_array_equal(iou_of(turned), iou_of(matrices)[:, order])
    np.testing.assert_array_equal(iou_of(matrices // 8), iou_of(matrices))
    # Truth and prediction may change places.
    np.testing.assert_array_equal(iou_of(matrices.transpose(0, 2, 1)), iou_of(matrices))


def test_interval_of_two_units_equals_a_hand_computation() -> None:
    # Of the four draws one takes the first unit twice (mIoU 100), one the second (0), and two both (1 of 3, 1 of 3):
    # a variance of 23750 / 18 around 125 / 3, twice that with U / (U - 1), and t = tan(0.4 * 90 degrees) at 40 %.
    units = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]])
    assert miou_of(units.sum(axis=0)[None])[0] == pytest.approx(100 / 3)
    found = bootstrap(units)
    assert found.miou is not None
    # t is 12.7 at 95 %; a score has limits.
    assert (found.miou.low, found.miou.high) == (0.0, 100.0)
    assert (found.units, found.rough, found.level) == (2, True, 0.95)
    narrow = bootstrap(units, level=0.4, resamples=40_000).miou
    assert narrow is not None
    half = math.tan(0.4 * math.pi / 2) * math.sqrt(2 * 23750 / 18)
    assert (narrow.low, narrow.high) == (0.0, pytest.approx(100 / 3 + half, rel=0.01))


def t_of_draws(value: float, draws: np.ndarray[Any, Any], units: int, level: float) -> list[float]:
    """Return the ends of the interval by the formula, from the values of all draws."""
    half = t_quantile(level, units - 1) * np.nanstd(draws) * math.sqrt(units / (units - 1))
    return [max(0, value - half), min(100, value + half)]


@pytest.mark.parametrize("level", [0.95, 0.8, 0.5])
@pytest.mark.parametrize("scored", [None, (1,)])
def test_intervals_equal_those_of_all_draws(level: float, scored: tuple[int, ...] | None) -> None:
    every, whole = all_draws(THREE), THREE.sum(axis=0)[None]
    found = bootstrap(THREE, level=level, resamples=20_000, scored=scored)
    assert found.miou is not None
    expected = t_of_draws(miou_of(whole, scored)[0], miou_of(every, scored), 3, level)
    assert [found.miou.low, found.miou.high] == pytest.approx(expected, abs=0.6)
    for number, interval in enumerate(found.iou):
        expected = t_of_draws(iou_of(whole)[0, number], iou_of(every)[:, number], 3, level)
        assert interval is not None
        assert [interval.low, interval.high] == pytest.approx(expected, abs=0.6)


def test_mean_of_resamples_equals_that_of_all_draws() -> None:
    drawn = np.concatenate([part for (part,) in drawn_sums([sums_of(THREE)], resamples=40_000, seed=3)])
    every = all_draws(THREE)
    # Three standard errors.
    slack = 3 * miou_of(every).std() / math.sqrt(40_000)
    assert mean_iou(iou_of_sums(drawn)).mean() == pytest.approx(miou_of(every).mean(), abs=slack)


def test_paired_difference_equals_that_of_all_draws() -> None:
    found = paired_difference(THREE, BETTER, resamples=40_000)
    every_a, every_b = all_draws(THREE), all_draws(BETTER)
    values = miou_of(every_b) - miou_of(every_a)
    assert found.miou.points == miou_of(BETTER.sum(axis=0)[None])[0] - miou_of(THREE.sum(axis=0)[None])[0]
    assert found.miou.interval is not None
    half = t_quantile(0.95, 2) * values.std() * math.sqrt(3 / 2)
    expected = [found.miou.points - half, found.miou.points + half]
    assert [found.miou.interval.low, found.miou.interval.high] == pytest.approx(expected, rel=0.02)
    assert found.miou.share_above == pytest.approx((values > 0).mean(), abs=0.01)
    for number, difference in enumerate(found.iou):
        values = (iou_of(every_b) - iou_of(every_a))[:, number]
        assert difference.share_above == pytest.approx((values > 0).mean(), abs=0.01)


def test_pairing_removes_the_difficulty_that_both_share() -> None:
    # Units differ a lot, and B is a little better in each: apart the intervals overlap, paired there is no doubt.
    right = np.linspace(100, 900, 30).astype(int)
    unit = lambda hits: np.stack([np.array([[h, 1000 - h], [1000 - h, h]]) for h in hits])  # noqa: E731
    a, b = unit(right), unit(right + 10)
    alone_a, alone_b = bootstrap(a).miou, bootstrap(b).miou
    assert alone_a is not None
    assert alone_b is not None
    assert alone_a.high > alone_b.low
    paired = paired_difference(a, b).miou
    assert paired.interval is not None
    assert paired.interval.low > 0
    assert paired.share_above == 1.0


def test_a_run_paired_with_itself_has_no_difference() -> None:
    units = random_matrices(12, 4) + 1
    same = paired_difference(units, units)
    assert [same.miou.points, same.miou.share_above] == [0.0, 0.0]
    assert same.miou.interval is not None
    assert (same.miou.interval.low, same.miou.interval.high) == (0.0, 0.0)


def test_swapping_the_runs_turns_the_difference() -> None:
    a, b = random_matrices(12, 4) + 1, random_matrices(12, 4, seed=5) + 1
    there, back = paired_difference(a, b).miou, paired_difference(b, a).miou
    assert there.interval is not None
    assert back.interval is not None
    assert there.points == -back.points
    assert there.interval.low == pytest.approx(-back.interval.high)


@pytest.mark.parametrize("resamples", [1, 7, 500])
def test_chunks_change_no_number(resamples: int) -> None:
    a, b = random_matrices(37, 5), random_matrices(37, 5, seed=5)
    for chunk_bytes in (1, 24 * 37 * 3, 24 * 37 * 7, 2**20):
        assert bootstrap(a, resamples=resamples, chunk_bytes=chunk_bytes) == bootstrap(a, resamples=resamples)
        assert paired_difference(a, b, resamples=resamples, chunk_bytes=chunk_bytes) == paired_difference(
            a, b, resamples=resamples
        )


def test_seeds_decide_the_draws() -> None:
    units = random_matrices(20, 4)
    assert bootstrap(units, seed=1) == bootstrap(units, seed=1)
    assert bootstrap(units, seed=1).miou != bootstrap(units, seed=2).miou


def test_one_unit_has_no_interval_and_few_are_rough() -> None:
    alone = bootstrap(THREE[:1])
    assert (alone.miou, alone.iou, alone.units, alone.rough) == (None, (None, None), 1, True)
    paired = paired_difference(THREE[:1], BETTER[:1]).miou
    assert (paired.interval, paired.share_above) == (None, None)
    assert paired.points > 0
    assert bootstrap(random_matrices(9, 3) + 1).rough
    assert not bootstrap(random_matrices(10, 3) + 1).rough


def test_images_without_labels_are_not_units() -> None:
    padded = np.concatenate([THREE, np.zeros((20, 2, 2), dtype=int)])
    assert bootstrap(padded) == bootstrap(THREE)
    assert paired_difference(padded, np.concatenate([BETTER, np.zeros((20, 2, 2), int)])) == paired_difference(
        THREE, BETTER
    )
    assert bootstrap(padded[3:]).miou is None


def test_a_class_that_one_run_never_has_has_no_difference() -> None:
    a, b = np.array([[[5, 0], [0, 0]]] * 12), np.array([[[4, 1], [0, 0]]] * 12)
    found = paired_difference(a, b).iou[1]
    assert math.isnan(found.points)
    assert (found.interval, found.share_above) == (None, None)


def test_units_are_sums_by_scene_city_or_image() -> None:
    counts = random_matrices(6, 3)
    scenes, cities = ("s1", "s2", "s1", "s1", "s2", "s3"), ("u", "u", "u", "v", "v", "v")
    images = per_image(counts, scenes, cities)
    by_scene = units_of(images)
    assert (by_scene.by, by_scene.names) == ("scene", ("u/s1", "u/s2", "v/s1", "v/s2", "v/s3"))
    assert by_scene.images_U.tolist() == [2, 1, 1, 1, 1]
    assert by_scene.counts_UKK[0].tolist() == (counts[0] + counts[2]).tolist()
    by_city = units_of(images, "city")
    assert (by_city.names, by_city.images_U.tolist()) == (("u", "v"), [3, 3])
    assert units_of(images, "image").counts_UKK.tolist() == counts.tolist()
    for units in (by_scene, by_city):
        assert units.counts_UKK.sum(axis=0).tolist() == images.total_KK().tolist()


def test_images_are_the_units_where_a_scene_is_unknown() -> None:
    images = per_image(random_matrices(3, 3), ("s1", "", "s1"))
    assert units_of(images).by == "image"
    with pytest.raises(ScoresError, match="1 of 3 images have no known scene"):
        units_of(images, "scene")
    with pytest.raises(ScoresError, match="3 of 3 images have no known city"):
        units_of(images, "city")


def test_facts_for_the_result_file() -> None:
    facts = interval_facts(per_image(THREE, ("", "", "")))
    found = bootstrap(THREE).miou
    assert found is not None
    assert facts.content() == {
        "low": round(found.low, 3),
        "high": round(found.high, 3),
        "form": "t",
        "level": 0.95,
        "unit": "image",
        "units": 3,
        "resamples": 2000,
        "seed": 0,
        "rough": True,
    }
    one_scene = interval_facts(per_image(THREE, ("s", "s", "s")))
    assert (one_scene.low, one_scene.high, one_scene.units, one_scene.unit) == (None, None, 1, "scene")
