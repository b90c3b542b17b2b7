"""Scores of maps: counts window by window, labels as the bench reads them, labels found by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rs_adapt.config import compose, resolve_cell
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.prediction import scoring
from rs_adapt.prediction.inputs import NamedScene
from rs_adapt.prediction.scoring import MapScorer, label_files, pool_scores
from rs_adapt.scenes import Scene, write_geotiff

PLACE = (2.0, 0.0, 500000.0, 0.0, -2.0, 5000000.0)


@pytest.fixture(name="scorer", scope="module")
def scorer_fixture() -> MapScorer:
    """Return the scorer of the shipped synthetic bench: six classes."""
    return MapScorer(compose(resolve_cell("synthetic-dg", backbone="dinov2_nano"), weights="random"))


def write(path: Path, classes_HW: NDArray[np.uint8], *, nodata: int | None = 255, x: float = PLACE[2]) -> Path:
    write_geotiff(path, classes_HW, crs="EPSG:32633", transform=(*PLACE[:2], x, *PLACE[3:]), nodata=nodata)
    return path


def draw(seed: int, top: int = 5) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, top, (50, 70)).astype(np.uint8)


def test_counts_do_not_depend_on_the_windows(
    scorer: MapScorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_HW, truth_HW = draw(0), draw(1)
    made_HW[:, :9], truth_HW[:7] = 255, 255
    made, truth = write(tmp_path / "map.tif", made_HW), write(tmp_path / "truth.tif", truth_HW)
    expected_KK = np.zeros((6, 6), np.int64)
    is_counted_HW = (made_HW != 255) & (truth_HW != 255)
    np.add.at(expected_KK, (truth_HW[is_counted_HW], made_HW[is_counted_HW]), 1)
    for window_hw in ((1024, 4096), (16, 30)):
        monkeypatch.setattr(scoring, "_WINDOW_HW", window_hw)
        assert np.array_equal(scorer.count(made, truth), expected_KK)
    scores = scorer.score(made, truth)
    assert scores.pixels == expected_KK.sum()
    # The sixth class has no true pixels, and is in no mean.
    assert (len(scores.classes_in_mean), scores.iou_pct["bare"]) == (5, None)
    assert scores.classes_line == "5 of 6 classes (no true pixels: bare)"
    assert scores.miou_pct == pytest.approx(np.mean([v for v in scores.iou_pct.values() if v is not None]), abs=1e-3)
    both = pool_scores([scores, scores])
    assert (both.pixels, both.miou_pct, both.labels) == (2 * scores.pixels, scores.miou_pct, (truth,))


def test_labels_may_lie_on_a_different_grid(scorer: MapScorer, tmp_path: Path) -> None:
    made_HW = draw(0)
    made = write(tmp_path / "map.tif", made_HW)
    # 20 columns further east: the map's first 20 columns have no label.
    truth = write(tmp_path / "truth.tif", made_HW[:, 20:], x=PLACE[2] + 40)
    counts_KK = scorer.count(made, truth)
    assert counts_KK.sum() == np.trace(counts_KK) == 50 * 50


def test_labels_that_do_not_fit_are_refused(scorer: MapScorer, tmp_path: Path) -> None:
    scene = write(tmp_path / "scene.tif", draw(0))
    strange, empty = draw(1), np.full((50, 70), 255, np.uint8)
    strange[3, 3] = 77
    with Scene(scene) as opened:
        for label, sentence in (
            (write(tmp_path / "strange.tif", strange), r"strange\.tif.*77"),
            (write(tmp_path / "empty.tif", empty), "labels no pixel of .* with a class of the model"),
            (write(tmp_path / "far.tif", draw(2), x=900000), r"far\.tif"),
        ):
            with pytest.raises(DataError, match=sentence):
                scorer.check(opened.info, label)
        scorer.check(opened.info, write(tmp_path / "good.tif", draw(3)))


def test_a_folder_holds_a_label_for_each_scene(tmp_path: Path) -> None:
    scenes = [NamedScene(Path("scenes/a.tif"), "a"), NamedScene(Path("scenes/b.tif"), "b")]
    with pytest.raises(DataNotFound, match="which does not exist"):
        label_files(scenes, tmp_path / "labels")
    (tmp_path / "labels").mkdir()
    for name in ("a.png", "b.tif", "b.tif.aux.xml", "b.qml"):
        (tmp_path / "labels" / name).touch()
    chosen = label_files(scenes, tmp_path / "labels")
    assert [file.name for file in chosen.values()] == ["a.png", "b.tif"]
    (tmp_path / "labels" / "a.tif").touch()
    with pytest.raises(ConfigError, match="could both be the label of"):
        label_files(scenes, tmp_path / "labels")
    with pytest.raises(DataNotFound, match="holds no label named c"):
        label_files([NamedScene(Path("c.tif"), "c")], tmp_path / "labels")


def test_a_label_has_the_name_of_its_item_or_of_an_asset_that_is_called_so_once(tmp_path: Path) -> None:
    items = [NamedScene(tmp_path / f"{name}/visual.tif", name) for name in ("a", "b")]
    for name in ("a.tif", "b.tif", "visual.tif"):
        (tmp_path / name).touch()
    assert [file.name for file in label_files(items, tmp_path).values()] == ["a.tif", "b.tif"]
    (tmp_path / "b.tif").unlink()
    # The asset of both is called visual.tif: its label could be that of either.
    with pytest.raises(DataNotFound, match="holds no label named b, for"):
        label_files(items, tmp_path)
    assert label_files(items[1:], tmp_path)[items[1].path].name == "visual.tif"
