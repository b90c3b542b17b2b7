"""The picture of the pseudo-labels' health: drawn where there is something to draw, and showing it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.reports.health_plot import draw_health
from rs_adapt.reports.run_pictures import write_run_pictures
from rs_adapt.runs.metrics import metrics_line as record

CLASSES = ["background", "building", "road", "water", "low vegetation", "impervious surface"]


SOURCE = dict(zip(CLASSES, (0.4, 0.2, 0.1, 0.05, 0.15, 0.1), strict=True))
TEACHER = dict(zip(CLASSES, (0.5, 0.25, 0.02, 0.06, 0.04, 0.13), strict=True))


def line(iteration: int, *, agreement: float | None = 0.9, alarm: str | None = None) -> dict[str, Any]:
    health = {"source_share": SOURCE, "teacher_share": TEACHER, "confidence": 0.8}
    return {"iter": iteration, "loss": 1.0, "health": health | {"agreement": agreement, "alarm": alarm}}


def pixels(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_picture_has_its_size_and_a_line_of_each_class(tmp_path: Path) -> None:
    draw_health(tmp_path / "h.png", [record(line(n)) for n in range(1, 9)], CLASSES, "title")
    image = pixels(tmp_path / "h.png")
    assert image.shape == (504, 1320, 3)
    tab10 = [(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75)]
    for colour in tab10:
        assert (image[:, :660] == colour).all(axis=-1).sum() > 100, colour


def test_the_weight_of_the_labels_is_drawn_where_it_is_known(tmp_path: Path) -> None:
    def green(lines: list[dict[str, Any]]) -> int:
        draw_health(tmp_path / "h.png", [record(each) for each in lines], CLASSES, "title")
        return int((pixels(tmp_path / "h.png")[:400, 800:] == (44, 160, 44)).all(axis=-1).sum())

    lines = [line(n) for n in range(1, 9)]
    assert green(lines) == 0
    assert green([each | {"health": each["health"] | {"weight": 0.3}} for each in lines]) > 100


@pytest.mark.parametrize("agreement", [0.9, None])
def test_a_single_line_and_a_missing_agreement_are_drawn(tmp_path: Path, agreement: float | None) -> None:
    draw_health(tmp_path / "h.png", [record(line(1, agreement=agreement))], CLASSES, "title")
    orange = (pixels(tmp_path / "h.png")[:, 800:] == (255, 127, 14)).all(axis=-1).sum()
    assert (orange > 0) == (agreement is not None)


def test_only_the_iterations_of_an_alarm_are_shaded(tmp_path: Path) -> None:
    def reddish(path: Path) -> np.ndarray[Any, Any]:
        image = pixels(path)[:400, 800:]  # the right panel without its legend
        return (image[..., 0] - image[..., 1] > 20) & (image[..., 0] - image[..., 1] < 60)

    lines = [record(line(n, agreement=None)) for n in range(1, 11)]
    draw_health(tmp_path / "calm.png", lines, CLASSES, "title")
    assert not reddish(tmp_path / "calm.png").any()
    lines[-1] = record(line(10, agreement=None, alarm="The teacher ..."))
    # An evaluation between two training lines is no beginning of what the second one covers.
    draw_health(
        tmp_path / "alarm.png", [*lines[:-1], record({"iter": 9, "miou_pct": 1.0}), lines[-1]], CLASSES, "title"
    )
    columns = np.flatnonzero(reddish(tmp_path / "alarm.png").any(axis=0))
    # The last tenth of the axis, which is about 480 px wide.
    assert 35 < len(columns) < 60
    assert columns.min() > 400


def test_only_runs_with_pseudo_labels_have_the_picture(tmp_path: Path) -> None:
    plain = {"iter": 1, "loss": 1.0}
    for name, lines in (("without", [plain]), ("with", [plain, line(2), {"iter": 2, "miou_pct": 50.0}])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
        write_run_pictures(tmp_path / name, np.eye(6, dtype=int), classes=CLASSES, title="title")
        assert (tmp_path / name / "pseudo_labels.png").is_file() == (name == "with")
        assert (tmp_path / name / "curves.png").is_file()
