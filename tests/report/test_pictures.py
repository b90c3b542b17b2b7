"""Pictures and tables: their content, not only that there are some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from rs_adapt.report.confusion import draw_confusion, read_confusion_csv, write_confusion_csv
from rs_adapt.report.curves import draw_curves
from rs_adapt.report.evaluation import evenly_spread
from rs_adapt.report.overlays import colour_map, overlay
from rs_adapt.report.tables import protocol_line, result_table

PALETTE = [[255, 0, 0], [0, 0, 255]]


def test_confusion_csv_round_trip(tmp_path: Path) -> None:
    matrix = np.array([[3, 1], [2**40, 0]])
    write_confusion_csv(tmp_path / "c.csv", matrix, ["road", "low vegetation"])
    read, classes = read_confusion_csv(tmp_path / "c.csv")
    assert np.array_equal(read, matrix)
    assert classes == ["road", "low vegetation"]


def test_confusion_picture_is_darkest_where_the_share_is_largest(tmp_path: Path) -> None:
    for matrix, dark in (([[9, 1], [1, 9]], (0, 0)), ([[1, 9], [9, 1]], (0, 1))):
        draw_confusion(tmp_path / "c.png", np.array(matrix), ["a", "b"], "title")
        pixels = np.asarray(Image.open(tmp_path / "c.png").convert("L"), dtype=float)
        height, width = pixels.shape
        halves = [
            pixels[height // 4 : height // 2, : width // 2],
            pixels[height // 4 : height // 2, width // 3 : width * 2 // 3],
        ]
        assert np.argmin([half.mean() for half in halves]) == dark[1]


def test_colour_map_uses_the_palette_and_grey_for_ignore() -> None:
    colours = colour_map(np.array([[0, 1, 255]]), PALETTE)
    assert colours.tolist() == [[[255, 0, 0], [0, 0, 255], [90, 90, 90]]]


def test_overlay_shows_image_truth_and_prediction_in_this_order() -> None:
    image = Image.new("RGB", (40, 30), (0, 255, 0))
    sheet = overlay(
        image, np.zeros((30, 40), int), np.ones((30, 40), int), classes=["a", "b"], palette=PALETTE, opacity=1.0
    )
    row = 18 + 15
    assert [sheet.getpixel((x, row)) for x in (20, 46 + 20, 92 + 20)] == [(0, 255, 0), (255, 0, 0), (0, 0, 255)]
    assert sheet.height > 30 + 18


def test_curves_are_drawn_without_evaluations_too(tmp_path: Path) -> None:
    lines = [{"iter": 1, "loss": 2.0, "source.decode.loss_ce": 1.0}, {"iter": 2, "loss": 1.0}]
    draw_curves(tmp_path / "short.png", lines, "no evaluation yet")
    draw_curves(tmp_path / "long.png", [*lines, {"iter": 2, "miou_pct": 50.0}], "one evaluation")
    assert (tmp_path / "short.png").read_bytes() != (tmp_path / "long.png").read_bytes()


def test_table_shows_each_class_and_a_dash_for_none() -> None:
    result = {
        "iou_pct": {"road": 12.346, "water": None},
        "acc_pct": {"road": 50.0, "water": None},
        "miou_pct": 12.346,
        "macc_pct": 50.0,
        "aacc_pct": 80.0,
        "protocol": {"report_split": "urban val", "selection": "last"},
        "oracle": {"miou_pct": 20.0, "iter": 4, "split": "urban val"},
    }
    console = Console(width=80)
    with console.capture() as capture:
        console.print(result_table(result))
    rows = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["road", "12.35", "50.00"] in rows
    assert ["water", "-", "-"] in rows
    assert "urban val with the last weights" in protocol_line(result)
    assert "oracle*: 20.00 mIoU on urban val at iteration 4" in protocol_line(result)


def test_positions_are_spread_over_the_split() -> None:
    assert evenly_spread(10, 2) == {2, 7}
    assert evenly_spread(3, 8) == {0, 1, 2}
    assert evenly_spread(5, 0) == set()
