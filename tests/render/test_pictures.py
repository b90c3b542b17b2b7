"""Pictures and tables: their content, not only that there are some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from rs_adapt.render.confusion_plot import draw_confusion, read_confusion_csv, write_confusion_csv
from rs_adapt.render.overlays import colour_map, draw_overlay
from rs_adapt.reports.curves_plot import draw_curves
from rs_adapt.reports.result_tables import guard_line, oracle_line, protocol_line, result_table, selection_table
from rs_adapt.runs.metrics import metrics_line
from rs_adapt.runs.records import Result

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
    sheet = draw_overlay(
        image, np.zeros((30, 40), int), np.ones((30, 40), int), classes=["a", "b"], palette=PALETTE, opacity=1.0
    )
    row = 18 + 15
    assert [sheet.getpixel((x, row)) for x in (20, 46 + 20, 92 + 20)] == [(0, 255, 0), (255, 0, 0), (0, 0, 255)]
    assert sheet.height > 30 + 18


def test_curves_are_drawn_without_evaluations_too(tmp_path: Path) -> None:
    lines = [{"iter": 1, "loss": 2.0, "source.decode.loss_ce": 1.0}, {"iter": 2, "loss": 1.0}]
    records = [metrics_line(line) for line in lines]
    draw_curves(tmp_path / "short.png", records, "no evaluation yet")
    draw_curves(tmp_path / "long.png", [*records, metrics_line({"iter": 2, "miou_pct": 50.0})], "one evaluation")
    assert (tmp_path / "short.png").read_bytes() != (tmp_path / "long.png").read_bytes()


def test_table_shows_each_class_and_a_dash_for_none() -> None:
    content: dict[str, Any] = {
        "iou_pct": {"road": 12.346, "water": None},
        "acc_pct": {"road": 50.0, "water": None},
        "miou_pct": 12.346,
        "macc_pct": 50.0,
        "aacc_pct": 80.0,
        "headline": "last",
        "protocol": {
            **{"name": "strict", "version": 1, "report_split": "urban val", "selection": "last", "weights": "student"},
            **{"classes": "all", "classes_scored": ["road", "water"], "absent_classes": "left_out"},
        },
        "interval": {
            "low": 10.0,
            "high": 15.126,
            "form": "t",
            "level": 0.95,
            "units": 4,
            "unit": "scene",
            "rough": True,
        },
        "selections": {
            "last": {"iter": 8, "miou_pct": 12.346, "value": None, "by": "the last iteration", "target_labels": False},
            "guarded": {
                **{"iter": 2, "miou_pct": 12.5, "value": 0.7, "by": "discriminant_agreement", "target_labels": False}
            },
            "best_source_val": None,
            "best_label_free": {
                **{"iter": 4, "miou_pct": 20.0, "value": 0.51234, "by": "info_max on images", "target_labels": False}
            },
            "oracle": {"iter": 4, "miou_pct": 20.0, "value": 21.5, "by": "mIoU on urban val", "target_labels": True},
        },
    }
    names = {
        "bench": "loveda",
        "setting": "da",
        "method": "lora",
        "backbone": "b",
        "head": "linear",
        "strategy": "dacs",
    }
    result = Result.model_validate({"cell": names | {"seed": 0}, **content})
    table = selection_table(result)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(result_table(result))
        console.print(table)
    rows = [line.replace("│", " ").split() for line in capture.get().splitlines()]
    assert ["road", "12.35", "50.00"] in rows
    assert ["water", "-", "-"] in rows
    assert ["last", "8", "12.35", "the", "last", "iteration"] in rows
    assert ["best_source_val", "-", "-", "no", "values", "to", "select", "by"] in rows
    assert ["best_label_free", "4", "20.00", "info_max", "on", "images:", "0.5123"] in rows
    assert ["oracle*", "4", "20.00", "mIoU", "on", "urban", "val:", "21.50"] in rows
    assert protocol_line(result) == (
        "Protocol strict-1: scored on urban val, last weights of the student, "
        "1 of 2 classes (no true pixels: water). mIoU 12.35 [10.00, 15.13], 95 % t interval over 4 scenes, rough."
    )
    # Version 0.1.0 stated neither the rule nor the form of the interval, and had no limits with one scene.
    before = {**content, "protocol": {**content["protocol"]}, "interval": {**content["interval"]}}
    del before["protocol"]["absent_classes"], before["interval"]["form"]
    before["acc_pct"], before["iou_pct"] = {"road": 50.0, "water": None}, {"road": 12.346, "water": 0.0}
    assert protocol_line(Result.model_validate({"cell": names | {"seed": 0}, **before})).endswith(
        "student, all 2 classes (0 for predictions without true pixels: water) by mmsegmentation's rule. "
        "mIoU 12.35 [10.00, 15.13], 95 % percentile interval over 4 scenes, rough."
    )
    before["interval"] |= {"low": None, "high": None, "units": 1}
    assert protocol_line(Result.model_validate({"cell": names | {"seed": 0}, **before})).endswith(
        "mIoU 12.35, without an interval (over 1 scene)."
    )
    assert guard_line(result) == (
        "The guard takes the last weights for worse than those of iteration 2, from before adaptation: "
        "--set protocol.selection=guarded returns those. No label was read; `rs-adapt judge` shows both on images."
    )
    agrees = {**content, "selections": {**content["selections"], "guarded": content["selections"]["last"]}}
    assert guard_line(Result.model_validate({"cell": names | {"seed": 0}, **agrees})) is None
    assert guard_line(Result.model_validate({"cell": names | {"seed": 0}, **content, "headline": "guarded"})) is None
    assert oracle_line(result) == (
        "* chosen with target labels, so not a result of adaptation: +7.65 points against the last weights."
    )


def test_errors_are_red_and_unscored_pixels_are_grey() -> None:
    truth = np.array([[0, 1], [255, 1]], dtype=np.uint8)
    prediction = np.array([[0, 0], [1, 1]], dtype=np.uint8)
    image = Image.new("RGB", (2, 2), (100, 100, 100))
    settings: dict[str, Any] = {"classes": ["a", "b"], "palette": [[0, 0, 0], [9, 9, 9]]}
    sheet = np.asarray(draw_overlay(image, truth, prediction, errors=True, **settings))
    panel = sheet[18:20, -2:].tolist()
    assert panel == [[[177] * 3, [205, 20, 20]], [[90] * 3, [177] * 3]]
    assert sheet.shape[1] == 4 * 2 + 3 * 6
    assert draw_overlay(image, truth, prediction, **settings).width == 3 * 2 + 2 * 6
