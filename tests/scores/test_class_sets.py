"""Class sets: words, what they count, and the arithmetic of a published result."""

from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.errors import ConfigError, UnknownName
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.resampling import iou_of, mean_iou, miou_of

ISPRS = ("impervious_surface", "building", "low_vegetation", "tree", "car", "clutter")


@pytest.mark.parametrize(
    ("chosen", "ignore", "scored", "ignored", "line"),
    [
        ("all", "", (0, 1, 2, 3, 4, 5), (), "all 6 classes"),
        ("no-clutter", "", (0, 1, 2, 3, 4), (), "5 of 6 classes (no clutter)"),
        ("NO_Clutter,no-car", "", (0, 1, 2, 3), (), "4 of 6 classes (no car, no clutter)"),
        ("tree, Low-Vegetation", "", (2, 3), (), "2 of 6 classes (low_vegetation, tree)"),
        ("low vegetation", "", (2,), (), "1 of 6 classes (low_vegetation)"),
        ("all", "clutter", (0, 1, 2, 3, 4), (5,), "5 of 6 classes without the pixels of clutter"),
        ("no-car", "clutter", (0, 1, 2, 3), (5,), "4 of 6 classes (no car) without the pixels of clutter"),
        ("no-clutter", "clutter", (0, 1, 2, 3, 4), (5,), "5 of 6 classes without the pixels of clutter"),
    ],
)
def test_words_for_class_sets_are_parsed(
    chosen: str, ignore: str, scored: tuple[int, ...], ignored: tuple[int, ...], line: str
) -> None:
    found = class_set(ISPRS, chosen=chosen, ignore=ignore)
    assert (found.scored, found.ignored, found.line()) == (scored, ignored, line)


def test_a_class_may_be_called_no_something() -> None:
    classes = ("road", "no-data", "data")
    assert class_set(classes, chosen="no_data").scored == (1,)
    assert class_set(classes, chosen="no-no-data").scored == (0, 2)
    assert class_set(classes, chosen="no-road").scored == (1, 2)


@pytest.mark.parametrize(
    ("chosen", "ignore", "error", "match"),
    [
        ("no-cluter", "", UnknownName, "no class 'cluter'. Did you mean clutter"),
        ("trees", "", UnknownName, "Did you mean tree"),
        ("all", "water", UnknownName, "no class 'water'.*Known: impervious-surface, building"),
        ("tree,no-car", "", ConfigError, "mixes"),
        (",", "", ConfigError, "--classes ',' names no class"),
        ("all", ", ", ConfigError, "--ignore ', ' names no class"),
        ("tree,car", "car", ConfigError, "car cannot be both in the mean and ignored"),
        ("no-car", "tree,building,clutter,impervious-surface,low-vegetation", ConfigError, "No class is left"),
    ],
)
def test_words_that_mean_nothing(chosen: str, ignore: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        class_set(ISPRS, chosen=chosen, ignore=ignore)


def test_published_mean_over_six_classes_and_over_five() -> None:
    # Earth-Adapter, dg, Potsdam to Vaihingen: 59.73 with clutter, whose IoU is 17.43.
    five = (6 * 59.73 - 17.43) / 5
    iou = np.array([[five - 2, five - 1, five, five + 1, five + 2, 17.43]])
    assert mean_iou(iou, class_set(ISPRS).scored)[0] == pytest.approx(59.73)
    assert mean_iou(iou, class_set(ISPRS, chosen="no-clutter").scored)[0] == pytest.approx(68.19, abs=0.005)


def test_leaving_a_class_out_of_the_mean_does_not_change_the_others_iou() -> None:
    matrix = np.random.default_rng(0).integers(1, 100, (1, 6, 6))
    no_clutter = class_set(ISPRS, chosen="no-clutter")
    assert no_clutter.counted(matrix) is matrix
    assert miou_of(matrix, no_clutter.scored)[0] == pytest.approx(iou_of(matrix)[0, :5].mean())


def test_ignored_pixels_count_nowhere_and_predictions_of_the_class_stay_errors() -> None:
    matrix = np.array([[[6, 1, 1], [2, 4, 0], [5, 5, 9]]])
    before = matrix.copy()
    chosen = class_set(("a", "b", "c"), ignore="c")
    counted = chosen.counted(matrix)
    assert counted[0].tolist() == [[6, 1, 1], [2, 4, 0], [0, 0, 0]]
    # a: 6 of 8 true, 2 wrongly called a; the pixel called c is still missed. b: 4 of 6, 1 wrongly called b.
    assert iou_of(counted)[0, :2].tolist() == pytest.approx([600 / 10, 400 / 7])
    assert miou_of(counted, chosen.scored)[0] == pytest.approx((60 + 400 / 7) / 2)
    assert (matrix == before).all()


def test_the_line_states_the_classes_without_true_pixels() -> None:
    # Of six classes, car has no true pixels and is predicted, clutter is neither.
    total = np.zeros((6, 6), dtype=np.int64)
    total[range(4), range(4)] = 5
    total[0, 4] = 1
    line = "4 of 6 classes (no true pixels: car, clutter)"
    assert (class_set(ISPRS).in_mean(total), class_set(ISPRS).line(total)) == ((0, 1, 2, 3), line)
    assert class_set(ISPRS, chosen="no-clutter").line(total) == "4 of 6 classes (no clutter; no true pixels: car)"
    theirs = class_set(ISPRS, absent="zero_if_predicted")
    assert theirs.in_mean(total) == (0, 1, 2, 3, 4)
    assert theirs.line(total) == (
        "5 of 6 classes (no true pixels: clutter; 0 for predictions without true pixels: car) by mmsegmentation's rule"
    )
    # Without the pixels of building, that class has none either.
    assert class_set(ISPRS, ignore="building").in_mean(total) == (0, 2, 3)
