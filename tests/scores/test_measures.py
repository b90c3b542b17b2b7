from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.scores.class_sets import ClassSet
from rs_adapt.scores.intervals import bootstrap, paired_difference
from rs_adapt.scores.measures import MIOU, Measure, accuracy_measure, rename_keys, stated_measure
from rs_adapt.scores.resampling import miou_of, sums_of

# Three base classes and one novel one: 8 of 10 base images right, 3 of 4 novel ones.
COUNTS_KK = np.array([[4, 1, 0, 0], [1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 3]])
NOVEL_KK = COUNTS_KK + np.diag([0, 0, 0, 0])
NOVEL_KK[3, 3], NOVEL_KK[3, 2] = 3, 1


def test_accuracy_and_harmonic_mean() -> None:
    measure = accuracy_measure([0, 1, 2])
    scores = measure.scores(NOVEL_KK, ["a", "b", "c", "d"])
    assert scores.means["base_pct"] == pytest.approx(80)
    assert scores.means["novel_pct"] == pytest.approx(75)
    assert scores.means["harmonic_mean_pct"] == pytest.approx(2 * 80 * 75 / 155)
    assert scores.means["accuracy_pct"] == pytest.approx(100 * 11 / 14)
    assert scores.by_class["b"] == pytest.approx(100 * 2 / 3)
    assert next(iter(scores.means)) == measure.key


def test_harmonic_mean_of_two_zeros_and_of_no_images() -> None:
    measure = Measure(name="harmonic_mean", base=(0,))
    wrong = np.array([[[0, 2], [2, 0]]])
    assert measure.overall(sums_of(wrong)).tolist() == [0.0]
    assert np.isnan(measure.overall(sums_of(np.array([[[1, 0], [0, 0]]]))))


def test_miou_is_as_before() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 9, (5, 4, 4))
    assert np.array_equal(MIOU.overall(sums_of(matrices), (0, 2)), miou_of(matrices, (0, 2)))


def test_interval_holds_the_score() -> None:
    rng = np.random.default_rng(1)
    units = np.zeros((60, 2, 2), dtype=np.int64)
    units[np.arange(60), np.arange(60) % 2, np.where(rng.random(60) < 0.8, np.arange(60) % 2, 0)] = 1
    measure = Measure(name="harmonic_mean", base=(0,))
    drawn = bootstrap(units, resamples=300, measure=measure)
    value = float(measure.overall(sums_of(units.sum(axis=0)[None]))[0])
    assert drawn.miou is not None
    assert drawn.miou.low < value < drawn.miou.high
    same = paired_difference(units, units, resamples=50, measure=measure)
    assert same.miou.points == 0


def test_facts_lead_back_to_the_measure() -> None:
    classes = ("a", "b", "c")
    measure = Measure(name="harmonic_mean", base=(0, 2))
    assert stated_measure(measure.facts(classes), classes) == measure
    assert stated_measure({}, classes) == MIOU
    assert MIOU.facts(classes) == {}


def test_keys_have_the_name_of_the_measure() -> None:
    content = {"miou_pct": 1, "classes": {"a": {"iou_pct": 2}}}
    assert rename_keys(content, Measure(name="accuracy")) == {"accuracy_pct": 1, "classes": {"a": {"acc_pct": 2}}}
    assert rename_keys(content, MIOU) is content


def test_class_set_scores_by_its_measure() -> None:
    chosen = ClassSet(classes=("a", "b", "c", "d"), scored=(0, 1), measure=Measure(name="accuracy"))
    assert chosen.overall(NOVEL_KK[None])[0] == pytest.approx(100 * 6 / 8)
