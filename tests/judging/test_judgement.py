"""The sentences and the page of a judgement: they claim no more than the numbers show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.errors import OutputExists
from rs_adapt.judging.compare import compare_predictions
from rs_adapt.judging.judgement import Judgement, percent
from rs_adapt.judging.page import make_page
from rs_adapt.judging.pairs import PairPrediction
from rs_adapt.judging.write import check_folder, write_judgement

CLASSES = ("road", "roof <b>", "water")


def probabilities(labels_HW: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.where(np.arange(3)[:, None, None] == labels_HW, 0.9, 0.05).astype(np.float32)


def make(run_HW: NDArray[np.int64], against_HW: NDArray[np.int64]) -> Judgement:
    """Return the judgement of two maps of one image."""
    pair = PairPrediction(
        image="east/tile_7.png",
        run_KHW=probabilities(run_HW),
        against_KHW=probabilities(against_HW),
        valid_HW=np.ones(run_HW.shape, dtype=bool),
        read_pixels=lambda: np.full((*run_HW.shape, 3), 120, dtype=np.uint8),
    )
    evidence, views = compare_predictions([pair], num_classes=3, num_images=1, pictures=2)
    return Judgement(
        run="adapted",
        against="source",
        run_name="dacs",
        against_name="source-only",
        classes=CLASSES,
        palette=((128, 64, 64), (255, 0, 0), (0, 0, 255)),
        images="1 tiles of east train",
        evidence=evidence,
        source=(0.5, 0.3, 0.2),
        views=views,
    )


@pytest.fixture(name="judgement")
def judgement_fixture() -> Judgement:
    """Return a judgement in which a tenth of the area turns from water into road: all of the water."""
    against_HW = np.zeros((40, 50), dtype=np.int64)
    against_HW[:4], against_HW[4:8] = 2, 1
    return make(np.where(against_HW == 2, 0, against_HW), against_HW)


def test_sentences_state_shares_and_limits(judgement: Judgement) -> None:
    first, second, third, fourth, last = judgement.sentences
    assert first == (
        "RUN and AGAINST give the same class to 90.0 % of the area. That does not prove that they are right there: "
        "both can be wrong in the same way."
    )
    assert second.startswith(
        "They differ on 10.0 % of the area. From AGAINST to RUN, water becomes road on 10.0 % of the area."
    )
    assert "mean confidence" in third
    assert "They are no votes" in third
    assert fourth == (
        "RUN gives water to 0.0 % of the area, and AGAINST to 10.0 %: RUN may have lost this class. Look for it in the "
        "pictures."
    )
    assert last.startswith("None of this proves that adaptation helped or harmed.")


def test_equal_maps_are_reported_as_such() -> None:
    labels_HW = np.zeros((4, 5), dtype=np.int64)
    judgement = make(labels_HW, labels_HW)
    assert judgement.sentences == (
        "Both models give the same class to every pixel: on these images it makes no difference which one is used. "
        "Both can be wrong.",
    )
    assert judgement.differences == ()
    assert "Where the maps differ" not in make_page(judgement)


def test_the_page_needs_nothing_else_and_escapes_names(judgement: Judgement) -> None:
    page = make_page(judgement)
    assert page.count("data:image/jpeg;base64,") == 3
    assert "<b>" not in page
    assert "roof &lt;b&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    for sentence in judgement.sentences:
        assert sentence in page
    assert "AGAINST says water, RUN says road." in page


def test_files_are_written_together_and_others_stay(judgement: Judgement, tmp_path: Path) -> None:
    folder = tmp_path / "judge"
    check_folder(folder, overwrite=False)
    written = write_judgement(judgement, folder)
    assert written.folder == folder
    assert sorted(file.name for file in folder.iterdir()) == ["index.html", "judge.json"]
    numbers = json.loads((folder / "judge.json").read_text())
    assert numbers["agreement"] == 0.9
    assert numbers["differences"] == [{"against": "water", "run": "road", "share": 0.1}]
    assert numbers["class_shares"]["against"] == {"road": 0.8, "roof <b>": 0.1, "water": 0.1}
    with pytest.raises(OutputExists, match="contains a judgement"):
        check_folder(folder, overwrite=False)
    (folder / "notes.txt").write_text("mine")
    check_folder(folder, overwrite=True)
    write_judgement(judgement, folder)
    assert (folder / "notes.txt").read_text() == "mine"


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match="contains no judge.json"):
        check_folder(tmp_path, overwrite=True)
    with pytest.raises(OutputExists, match="is a file"):
        check_folder(tmp_path / "notes.txt", overwrite=True)


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (0.0004, "less than 0.1 %"), (0.5, "50.0 %"), (0.9999, "more than 99.9 %"), (1, "100.0 %")],
)
def test_small_shares_are_not_rounded_away(share: float, text: str) -> None:
    assert percent(share) == text
