"""Points to label, and the accuracies that their labels give: known answers and coverage."""

from __future__ import annotations

import csv
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.judging.answers import estimate
from rs_adapt.judging.pairs import PairPrediction, RasterPlace
from rs_adapt.judging.point_files import check_geopackage, read_answers, write_sample
from rs_adapt.judging.sample import PointSampler, Sample, SamplePoint

CLASSES = ("road", "roof", "water")
MODELS = ("a" * 64, "b" * 64)
PLACE = RasterPlace.of("EPSG:32632", (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0))


def one_hot(labels_HW: NDArray[np.int64]) -> NDArray[np.float32]:
    return (np.arange(3)[:, None, None] == labels_HW).astype(np.float32)


def maps(seed: int = 0) -> PairPrediction:
    """Return two maps of 100 x 100 pixels, which differ on the first twenty rows; the last column has no image."""
    against_HW = np.random.default_rng(seed).integers(0, 3, (100, 100))
    run_HW = against_HW.copy()
    run_HW[:20] = (run_HW[:20] + 1) % 3
    valid_HW = np.ones((100, 100), dtype=bool)
    valid_HW[:, -1] = False
    return PairPrediction(
        image="a.png",
        run_KHW=one_hot(run_HW),
        against_KHW=one_hot(against_HW),
        valid_HW=valid_HW,
        read_pixels=lambda: np.zeros((100, 100, 3), dtype=np.uint8),
        left_px=1000,
        top_px=200,
        place=PLACE,
    )


def draw(num_points: int, seed: int = 0) -> Sample:
    sampler = PointSampler(num_points, seed=seed)
    sampler.add(maps())
    return sampler.sample()


def made(run_alone: int, against_alone: int, neither: int, same_right: int, same_wrong: int) -> tuple[Sample, dict]:
    """Return a sample of an area that differs on a quarter, and labels with these counts."""
    rows = [("differ", 0)] * run_alone + [("differ", 1)] * against_alone + [("differ", 2)] * neither
    rows += [("same", 0)] * same_right + [("same", 2)] * same_wrong
    points = tuple(
        SamplePoint(
            id=number,
            stratum=stratum,
            image="a",
            column=0,
            row=0,
            run=0,
            against=1 if stratum == "differ" else 0,
        )
        for number, (stratum, _) in enumerate(rows, start=1)
    )
    labels = {number: label for number, (_, label) in enumerate(rows, start=1)}
    return Sample(points=points, pixels={"same": 750, "differ": 250}, seed=0), labels


def test_points_are_drawn_in_equal_numbers_from_both_strata() -> None:
    sample, pair = draw(51), maps()
    assert (sample.size("same"), sample.size("differ")) == (25, 26)
    assert sample.pixels == {"same": 80 * 99, "differ": 20 * 99}
    assert [point.id for point in sample.points] == list(range(1, 52))
    for point in sample.points:
        column, row = point.column - 1000, point.row - 200
        assert pair.valid_HW[row, column]
        assert (point.run, point.against) == (pair.run_HW[row, column], pair.against_HW[row, column])
        assert (point.run != point.against) == (point.stratum == "differ") == (row < 20)
    assert len({(point.column, point.row) for point in sample.points}) == 51
    # The order tells nothing about the stratum.
    assert len({point.stratum for point in sample.points[:10]}) == 2
    assert sample == draw(51)
    assert sample != draw(51, seed=1)


def test_every_pixel_has_the_same_chance() -> None:
    rows = Counter(point.row - 200 for seed in range(200) for point in draw(80, seed).points if point.stratum == "same")
    # 100 draws a row are expected of 80 rows; the largest of 80 such counts is below 145 nearly always.
    assert set(rows) == set(range(20, 100))
    assert 60 < min(rows.values())
    assert max(rows.values()) < 145


def test_a_stratum_that_is_too_small_is_refused() -> None:
    sampler = PointSampler(5000)
    sampler.add(maps())
    with pytest.raises(ConfigError, match="2500 points where the maps differ, but they differ at 1980 pixels only"):
        sampler.sample()


def test_estimates_of_known_labels() -> None:
    verdict = estimate(*made(run_alone=12, against_alone=4, neither=4, same_right=15, same_wrong=5))
    # A quarter of the area times (12 - 4) / 20.
    assert verdict.difference.value == pytest.approx(10)
    run_share, against_share = 13 / 22, 5 / 22
    half = 1.959963984540054 * math.sqrt((run_share + against_share - (run_share - against_share) ** 2) / 22)
    assert verdict.difference.low == pytest.approx(25 * (run_share - against_share - half))
    assert verdict.difference.high == pytest.approx(25 * (run_share - against_share + half))
    # 0.25 * 12/20 + 0.75 * 15/20, and 0.25 * 4/20 + 0.75 * 15/20.
    assert verdict.run.value == pytest.approx(71.25)
    assert verdict.against.value == pytest.approx(61.25)
    variance = 0.25**2 * 0.6 * 0.4 / 19 + 0.75**2 * 0.75 * 0.25 / 19
    assert verdict.run.high - verdict.run.value == pytest.approx(100 * 1.959963984540054 * math.sqrt(variance))
    assert "The interval contains 0" not in verdict.sentences[0]
    assert verdict.sentences[0].startswith("RUN minus AGAINST: +10.00 points of accuracy, 95 % interval +")
    assert "RUN is the better map of these images, if the labels are right." in verdict.sentences[0]
    assert "RUN is right at 12, AGAINST at 4, neither at 4." in verdict.sentences[1]


def test_few_points_decide_nothing() -> None:
    verdict = estimate(*made(run_alone=2, against_alone=1, neither=0, same_right=2, same_wrong=1))
    assert verdict.difference.low < 0 < verdict.difference.high
    assert "these points do not decide which map is better" in verdict.sentences[0]
    # All alike: the interval is not empty.
    alike = estimate(*made(run_alone=3, against_alone=0, neither=0, same_right=3, same_wrong=0))
    assert alike.difference.value == pytest.approx(25)
    assert alike.difference.low < 15


def test_intervals_of_the_difference_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth, covered = 25 * (0.5 - 0.3), 0
    for _ in range(1000):
        counts = rng.multinomial(50, (0.5, 0.3, 0.2))
        difference = estimate(*made(*(int(count) for count in counts), same_right=2, same_wrong=0)).difference
        covered += difference.low <= truth <= difference.high
    assert 930 <= covered <= 975


def label(file: Path, **changes: str) -> None:
    """Write `road` as the label of all points, except for those that are named."""
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    for row in rows:
        row["label"] = changes.get(f"p{row['id']}", "road")
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_points_go_through_a_csv_file_and_back(tmp_path: Path) -> None:
    sample = draw(8)
    file = write_sample(tmp_path, sample, classes=CLASSES, models=MODELS, form="csv", show_predictions=False)
    head, first, *_ = file.read_text().splitlines()
    assert head == "id,image,column,row,x,y,crs,label"
    point = sample.points[0]
    x, y = 400000 + (point.column + 0.5) / 2, 5500000 - (point.row + 0.5) / 2
    assert first == f"1,a.png,{point.column},{point.row},{x},{y},EPSG:32632,"
    label(file, p3=" Water ")
    read, labels = read_answers(file, models=MODELS)
    assert labels == {number: 2 if number == 3 else 0 for number in range(1, 9)}
    assert read.pixels == sample.pixels
    assert [(point.run, point.against) for point in read.points] == [
        (point.run, point.against) for point in sample.points
    ]
    file.write_text("﻿" + file.read_text().replace(",", ";"))
    assert read_answers(file, models=MODELS)[1] == labels


def test_predictions_are_shown_on_request(tmp_path: Path) -> None:
    sample = draw(8)
    file = write_sample(tmp_path, sample, classes=CLASSES, models=MODELS, form="csv", show_predictions=True)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [(row["run"], row["against"]) for row in rows] == [
        (CLASSES[point.run], CLASSES[point.against]) for point in sample.points
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"p2": "", "p5": " "}, "2 of 8 points have no label, such as 2, 5. Label all of them"),
        ({"p4": "tree"}, r"'tree' \(point 4\) is no class. Allowed: road, roof, water."),
    ],
)
def test_labels_that_are_missing_or_no_class_are_refused(
    changes: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    file = write_sample(tmp_path, draw(8), classes=CLASSES, models=MODELS, form="csv", show_predictions=False)
    label(file, **changes)
    with pytest.raises(DataError, match=sentence):
        read_answers(file, models=MODELS)


def test_files_that_are_not_the_sample_are_refused(tmp_path: Path) -> None:
    file = write_sample(tmp_path, draw(8), classes=CLASSES, models=MODELS, form="csv", show_predictions=False)
    label(file)
    text = file.read_text()
    with pytest.raises(DataError, match="drawn for two other models"):
        read_answers(file, models=MODELS[::-1])
    for changed, sentence in (
        (text.replace("\n2,", "\n1,"), "the point 1 occurs twice"),
        (text.replace("\n2,", "\n99,"), "the point 99 was not drawn"),
        (text.replace("\n2,", "\nx,"), "the id 'x' of point 2 is no whole number"),
        (text.replace("label", "class"), "has no column label"),
        (text.partition("\n")[0], "8 of 8 points have no label"),
    ):
        file.write_text(changed)
        with pytest.raises(DataError, match=sentence):
            read_answers(file, models=MODELS)
    with pytest.raises(DataNotFound, match="There is no file"):
        read_answers(tmp_path / "nothing.csv", models=MODELS)
    (tmp_path / "sample.json").unlink()
    with pytest.raises(DataNotFound, match=r"sample.json is missing: it says how the points were drawn"):
        read_answers(file, models=MODELS)


def test_points_go_through_a_geopackage_and_back(tmp_path: Path) -> None:
    fiona = pytest.importorskip("fiona")
    sample = draw(8)
    check_geopackage({PLACE.crs})
    file = write_sample(tmp_path, sample, classes=CLASSES, models=MODELS, form="gpkg", show_predictions=False)
    with fiona.open(file) as layer:
        assert layer.crs.to_epsg() == 32632
        features = list(layer)
    assert features[0]["geometry"]["coordinates"] == pytest.approx(sample.points[0].xy)
    with pytest.raises(DataError, match="8 of 8 points have no label"):
        read_answers(file, models=MODELS)
    import sqlite3

    with sqlite3.connect(file) as database:
        # Without the triggers of the spatial index, which call functions of GDAL.
        for (name,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f"drop trigger {name}")
        database.execute("update points set label = 'roof'")
    database.close()
    assert set(read_answers(file, models=MODELS)[1].values()) == {1}


def test_a_geopackage_needs_one_coordinate_system() -> None:
    with pytest.raises(ConfigError, match="the images have no place on the map"):
        check_geopackage({""})
    with pytest.raises(ConfigError, match="the images lie in 2 coordinate systems"):
        check_geopackage({"a", "b"})
