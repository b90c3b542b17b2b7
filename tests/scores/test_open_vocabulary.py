"""hIoU: the harmonic mean of seen and unseen mIoU, in words, intervals, results and what older code averaged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.metrics import scores_of
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.intervals import bootstrap, paired_difference
from rs_adapt.scores.means import SeenUnseen
from rs_adapt.scores.open_vocabulary import group_scores
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.resampling import mean_iou, miou_of

CLASSES = ("land", "road", "water", "car")
WORDS = "land,road | water,car"
NAMES = tuple("abcde")


def matrices(units: int = 5, seed: int = 0) -> np.ndarray[Any, Any]:
    drawn = np.random.default_rng(seed).integers(1, 50, (units, 4, 4))
    drawn[:, range(4), range(4)] += 200
    return drawn


def by_hand(matrix: np.ndarray[Any, Any]) -> float:
    iou = [100 * matrix[k, k] / (matrix[k].sum() + matrix[:, k].sum() - matrix[k, k]) for k in range(4)]
    seen, unseen = (iou[0] + iou[1]) / 2, (iou[2] + iou[3]) / 2
    return float(2 * seen * unseen / (seen + unseen))


def test_it_is_the_harmonic_mean_of_two_means() -> None:
    chosen, total = class_set(CLASSES, chosen=WORDS), matrices().sum(axis=0)
    assert chosen.mean == SeenUnseen(seen=(0, 1), unseen=(2, 3))
    assert (chosen.mean_name, class_set(CLASSES).mean_name) == ("hIoU", "mIoU")
    assert miou_of(total[None], chosen.mean)[0] == pytest.approx(by_hand(total), rel=1e-12)
    scores = scores_of(total, CLASSES, chosen.mean)
    assert scores.miou_pct == pytest.approx(by_hand(total), rel=1e-12)
    # The accuracy stays the mean over all classes.
    assert scores.macc_pct == pytest.approx(np.mean([100 * total[k, k] / total[k].sum() for k in range(4)]))


@pytest.mark.parametrize(
    ("seen", "unseen", "expected"),
    [(80.0, 0.0, 0.0), (0.0, 0.0, 0.0), (50.0, 50.0, 50.0), (90.0, 10.0, 18.0), (math.nan, 10.0, math.nan)],
)
def test_known_values(seen: float, unseen: float, expected: float) -> None:
    found = mean_iou(np.array([[seen, seen, unseen, unseen]]), SeenUnseen(seen=(0, 1), unseen=(2, 3)))
    np.testing.assert_allclose(found, [expected])


def test_a_model_of_the_training_classes_alone_scores_nothing() -> None:
    matrix = np.diag([100, 100, 0, 0])
    matrix[2, 0] = matrix[3, 1] = 100
    assert miou_of(matrix[None], class_set(CLASSES, chosen=WORDS).mean)[0] == 0
    assert miou_of(matrix[None])[0] == 25


def test_words_lines_and_the_source() -> None:
    chosen = class_set(CLASSES, chosen="Land, ROAD |water,car", ignore="road")
    assert (chosen.seen, chosen.unseen, chosen.scored) == ((0,), (2, 3), (0, 2, 3))
    chosen = class_set(CLASSES, chosen=WORDS)
    total = matrices().sum(axis=0)
    assert chosen.line(total) == "harmonic mean of seen (land, road) and unseen (water, car) classes"
    total[3] = 0
    assert chosen.line(total).endswith("unseen (water) classes, no true pixels: car")
    # The labels of unseen classes are not read where the training was.
    source = chosen.on_source()
    assert (source.scored, source.unseen, source.mean_name) == ((0, 1), (), "mIoU")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("land | land,car", "land cannot be both seen and unseen"),
        ("land |", "names no class"),
        ("land | boat", "There is no class 'boat'"),
    ],
)
def test_wrong_words_are_refused(words: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        class_set(CLASSES, chosen=words)
    with pytest.raises(ConfigError, match="leaves no unseen class"):
        class_set(CLASSES, chosen="land | car", ignore="car")


def test_intervals_and_differences_are_of_the_harmonic_mean() -> None:
    chosen, units = class_set(CLASSES, chosen=WORDS), matrices()
    drawn = bootstrap(units, scored=chosen.scored, measure=chosen.measure, resamples=200)
    assert drawn.miou is not None
    assert drawn.miou.low < by_hand(units.sum(axis=0)) < drawn.miou.high
    better = units.copy()
    better[:, 2, 2] += 100
    pair = paired_difference(units, better, scored=chosen.scored, measure=chosen.measure, resamples=200)
    assert pair.miou.points == pytest.approx(by_hand(better.sum(axis=0)) - by_hand(units.sum(axis=0)))


def test_both_means_stand_beside_it() -> None:
    per_image = PerImage(
        tiles=tuple("abcde"),
        scenes=tuple("abcde"),
        cities=tuple("abcde"),
        classes=CLASSES,
        counts_NKK=matrices(),
        facts={},
    )
    both = group_scores(per_image, class_set(CLASSES, chosen=WORDS))
    assert both is not None
    assert (both.seen.classes, both.unseen.classes) == (["land", "road"], ["water", "car"])
    seen, unseen = both.seen.miou_pct, both.unseen.miou_pct
    assert seen is not None
    assert unseen is not None
    assert 2 * seen * unseen / (seen + unseen) == pytest.approx(by_hand(matrices().sum(axis=0)), abs=2e-3)
    assert both.unseen.interval is not None
    assert both.unseen.interval.low is not None
    assert group_scores(per_image, class_set(CLASSES)) is None
