"""Five ways of choosing a checkpoint: by hand from lines, and in runs, whose packs and scores are made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine import final_scores
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.errors import CheckpointMismatch, UnknownName
from rs_adapt.inference.checkpoint import load_model, recompose
from rs_adapt.inference.evaluation import score_checkpoint
from rs_adapt.metrics import scores_of
from rs_adapt.runs.metrics import metrics_line, read_metrics
from rs_adapt.runs.selection import choose
from rs_adapt.scores.per_image import PerImage
from tests.engine.test_train import SignalAt


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl as they are written."""
    return [line.content() for line in read_metrics(run)]


Line = dict[str, Any]
Run = Callable[..., tuple[Path, list[Line], Line]]

LINES: list[Line] = [
    {"iter": 50, "loss": 1.0},
    {"iter": 100, "miou_pct": 40.0, "source_val": {"miou_pct": 60.0}, "label_free": {"info_max": 0.5, "entropy": 0.3}},
    {"iter": 200, "miou_pct": 45.0, "source_val": {"miou_pct": 62.0}, "label_free": {"info_max": 0.4, "entropy": 0.1}},
    {"iter": 300, "miou_pct": 45.0, "source_val": {"miou_pct": 61.0}, "label_free": {"info_max": 0.6, "entropy": 0.2}},
    {"iter": 400, "miou_pct": 41.0, "source_val": {"miou_pct": None}, "label_free": {"info_max": 0.6, "entropy": 0.4}},
]


def chosen(lines: list[dict[str, Any]], bench: str = "synthetic-da", *overrides: str) -> dict[str, Any]:
    cfg = compose(resolve_cell(bench), overrides=overrides)
    choices = choose([metrics_line(line) for line in lines], cfg=cfg)
    return {name: choice and (choice.iter, choice.value) for name, choice in choices.items()}


def test_each_selection_has_a_known_answer_and_prefers_the_earliest() -> None:
    assert chosen(LINES) == {
        "last": (400, None),
        # No line has the statistic of the guard.
        "guarded": None,
        "best_source_val": (200, 62.0),
        "best_label_free": (300, 0.6),
        "oracle": (200, 45.0),
    }


def test_entropy_is_chosen_small() -> None:
    assert chosen(LINES, "synthetic-da", "protocol.label_free=entropy")["best_label_free"] == (200, 0.1)


def test_supervised_runs_validate_on_the_region_that_they_learn_from() -> None:
    assert chosen(LINES, "synthetic-ss")["best_source_val"] == (200, 45.0)


def test_without_target_labels_there_is_no_oracle() -> None:
    lines = [{key: value for key, value in line.items() if key != "miou_pct"} for line in LINES]
    found = chosen(lines)
    assert (found["oracle"], found["best_source_val"], found["last"]) == (None, (200, 62.0), (400, None))
    assert set(chosen([LINES[0]]).values()) == {None}


def test_the_deciding_value_is_stated() -> None:
    lines: list[Line] = [
        {**line, "label_free": {**line["label_free"], "discriminant_agreement": 1 - line["iter"] / 1000}}
        for line in LINES[1:]
    ]
    found = choose([metrics_line(line) for line in lines], cfg=compose(resolve_cell("synthetic-da")))
    told = {name: (choice.by, choice.target_labels) for name, choice in found.items() if choice}
    assert told == {
        "last": ("the last iteration", False),
        "guarded": (
            "discriminant_agreement without labels: it fell to 0.6000, so the model from before adaptation",
            False,
        ),
        "best_source_val": ("mIoU on north val", False),
        "best_label_free": ("info_max on images of south train, without labels", False),
        "oracle": ("mIoU on south val", True),
    }


def best(lines: list[dict[str, Any]], *keys: str) -> int:
    """Iteration of the largest value, counted here and not by the code under test."""
    top, where = -1.0, -1
    for line in lines:
        value: Any = line
        for key in keys:
            value = (value or {}).get(key)
        if value is not None and value > top:
            top, where = value, line["iter"]
    return where


# An evaluation after each iteration, with a rate at which the best one is rarely the last.
WILD = ("bench.schedule.eval_every=1", "optim.lr=0.03", "protocol.label_free_tiles=3")


@pytest.fixture(scope="module")
def trained() -> dict[str, tuple[Path, list[Line], Line]]:
    """Return the runs of this module so far; tests read them and leave them as they are."""
    return {}


@pytest.fixture
def run_of(tiny_cell, tmp_path: Path, trained: dict[str, tuple[Path, list[Line], Line]]) -> Run:
    """Return a function that trains a small cell, once in this module, and gives its folder, lines and result."""

    def run(setting: str = "da", **options: Any) -> tuple[Path, list[Line], Line]:
        key = f"{setting} {sorted(options.items())}"
        if key not in trained:
            name = f"run{len(trained)}"
            overrides = (*WILD, *options.pop("overrides", ()))
            cfg = tiny_cell(setting, run=name, overrides=overrides, **options)
            result = train(cfg, device="cpu").content()
            trained[key] = tmp_path / name, lines_of(tmp_path / name), result
        return trained[key]

    return run


@pytest.mark.parametrize("setting", ["da", "dg"])
def test_the_selections_of_a_run_are_recomputed(run_of, setting: str) -> None:
    run, lines, result = run_of(setting)
    evaluated = [line for line in lines if "miou_pct" in line]
    assert [line["iter"] for line in evaluated] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= line["label_free"]["entropy"] <= 1 for line in evaluated)
    assert ("agreement" in evaluated[0]["label_free"]) == (setting == "da")
    # Read against labelled tiles of the source.
    for name in ("info_max_calibrated", "predicted_accuracy", "prior_agreement", "discriminant_agreement"):
        assert all(0 <= line["label_free"][name] <= 1 for line in evaluated)
    expected = {
        "last": 6,
        "best_source_val": best(evaluated, "source_val", "miou_pct"),
        "best_label_free": best(evaluated, "label_free", "info_max"),
        "oracle": best(evaluated, "miou_pct"),
    }
    if setting == "da":
        # One of six iterations is on the source alone.
        first, last = (evaluated[i]["label_free"]["discriminant_agreement"] for i in (0, -1))
        expected["guarded"] = 1 if last < first else 6
    selections = {name: one for name, one in result["selections"].items() if name in expected}
    assert {name: one["iter"] for name, one in selections.items()} == expected
    assert result["selections"] == selections | ({} if setting == "da" else {"guarded": None})
    # The reported tiles are the validation tiles here, so each score must be that of the line.
    by_iter = {line["iter"]: line["miou_pct"] for line in evaluated}
    for one in selections.values():
        assert one["miou_pct"] == pytest.approx(by_iter[one["iter"]], abs=1e-3)
        stored = PerImage.load(run / one["confusions"])
        assert scores_of(stored.total_KK(), stored.classes).miou_pct == pytest.approx(by_iter[one["iter"]], abs=1e-9)
    # No other weights are kept, and nothing but packs.
    others = {f"iter{iteration}" for iteration in expected.values()} - {"iter6"}
    assert others, "the last weights are the best in every way: the run shows nothing"
    assert {path.name for path in (run / "packs").glob("*")} == others
    for name in others:
        assert sorted(path.name for path in (run / "packs" / name).iterdir()) == [
            "adapter.safetensors",
            "manifest.json",
        ]
    assert {path.stem for path in (run / "confusions").iterdir()} == others | {"iter6"}


def test_every_selection_is_a_pack_that_scores_the_same(run_of, tmp_path: Path) -> None:
    run, _, result = run_of()
    for name, one in result["selections"].items():
        cfg = recompose(run / one["pack"])
        again = score_checkpoint(cfg, run / one["pack"], split="test", out_dir=tmp_path / name, device="cpu")
        assert again.miou_pct == one["miou_pct"], name
        first, second = PerImage.load(run / one["confusions"]), PerImage.load(tmp_path / name / "confusions.npz")
        assert first.tiles == second.tiles
        assert np.array_equal(first.counts_NKK, second.counts_NKK)


def test_an_interrupted_run_saves_and_reports_the_same(run_of, tiny_cell, tmp_path: Path) -> None:
    straight, _, result = run_of()
    cfg = tiny_cell(run="parts", overrides=WILD)
    for stop in (2, 5):
        with pytest.raises(Interrupted):
            train(cfg, device="cpu", resume=stop == 5, hooks=[SignalAt(stop)])
    resumed = train(cfg, device="cpu", resume=True).content()
    assert resumed["selections"] == result["selections"]
    files = [
        sorted(str(p.relative_to(run)) for p in run.rglob("*.safetensors")) for run in (straight, tmp_path / "parts")
    ]
    assert files[0] == files[1]
    for name in files[0]:
        one, other = (load_file(run / name) for run in (straight, tmp_path / "parts"))
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, pytest.param(SystemExit, marks=pytest.mark.slow)])
def test_a_stop_while_the_selections_are_scored_loses_nothing(
    run_of, tiny_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    _, _, result = run_of("dg")
    cfg = tiny_cell("dg", run="parts", overrides=WILD)
    calls = []

    def stopped(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        # In the middle: some files are written, others are not.
        if len(calls) == 2:
            raise stop
        return scored(*arguments, **named)

    scored = final_scores._score
    monkeypatch.setattr(final_scores, "_score", stopped)
    with pytest.raises(Interrupted if stop is KeyboardInterrupt else SystemExit):
        train(cfg, device="cpu")
    assert not (tmp_path / "parts" / "result.json").exists()
    resumed = train(cfg, device="cpu", resume=True).content()
    assert resumed["selections"] == result["selections"]


def test_weights_that_vanish_before_the_result_are_named(
    tiny_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = tiny_cell("dg", iters=1)

    def and_lose(lines: list[Line], *, cfg: Any) -> Any:
        (tmp_path / "run" / "packs" / "iter1" / "adapter.safetensors").unlink()
        return choose(lines, cfg=cfg)

    monkeypatch.setattr(final_scores, "choose", and_lose)
    with pytest.raises(CheckpointMismatch, match=r"weights of iteration 1 .* cannot be read"):
        train(cfg, device="cpu")


def test_the_papers_protocol_reports_the_oracle(run_of) -> None:
    run, lines, result = run_of(protocol="paper")
    assert (result["headline"], result["protocol"]["name"]) == ("oracle", "paper")
    assert result["protocol"]["target_crops"] == "by_labels"
    top = max(line["miou_pct"] for line in lines if "miou_pct" in line)
    assert result["miou_pct"] == result["selections"]["oracle"]["miou_pct"] == pytest.approx(top, abs=1e-3)
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["metrics"]["headline"], manifest["metrics"]["iter"]) == ("oracle", result["iter"])
    # The weights of the run's own pack are the oracle's.
    if result["iter"] != 6:
        assert result["selections"]["last"]["pack"] == "packs/iter6"


def test_the_teacher_is_scored_and_saved_where_the_protocol_says_so(run_of) -> None:
    # In six iterations the published decay leaves nothing of older weights.
    slow = "strategy.ema_decay=0.6"
    student, _, of_student = run_of(overrides=(slow,))
    teacher, _, of_teacher = run_of(overrides=(slow, "protocol.weights=teacher"))
    assert of_teacher["protocol"]["weights"] == "teacher"
    one, other = (load_file(run / "adapter.safetensors") for run in (student, teacher))
    # The same training, two sets of weights of it.
    losses = [[line["loss"] for line in lines_of(run) if "loss" in line] for run in (student, teacher)]
    assert losses[0] == losses[1]
    assert not all(torch.equal(one[key], other[key]) for key in one)
    assert of_teacher["iou_pct"] != of_student["iou_pct"]
    model = load_model(recompose(teacher), teacher, device="cpu")
    assert all(torch.equal(model.state_dict()[key], value) for key, value in other.items())


def test_a_protocol_whose_scores_a_server_has_reports_none(run_of) -> None:
    run, _, result = run_of(protocol="loveda_server")
    assert (result["miou_pct"], result["interval"], result["protocol"]["report_split"]) == (None, None, None)
    assert result["protocol"]["scored_by"] == "server"
    assert result["protocol"]["unlabelled_split"] == "urban val"
    assert result["selections"]["oracle"]["value"] is not None
    assert (run / "adapter.safetensors").is_file()
    assert not (run / "confusions").exists()


def test_classes_that_a_protocol_leaves_out_leave_the_mean_everywhere(run_of) -> None:
    run, lines, result = run_of("dg", overrides=("protocol.classes=no-background",))
    assert result["protocol"]["classes_scored"] == list(result["iou_pct"])[1:]
    evaluated = [line for line in lines if "miou_pct" in line]
    for scores in (result, *evaluated, *(line["source_val"] for line in evaluated)):
        known = [value for name, value in scores["iou_pct"].items() if name != "background" and value is not None]
        assert scores["miou_pct"] == pytest.approx(sum(known) / len(known), abs=2e-3)
    assert result["interval"]["low"] <= result["miou_pct"] <= result["interval"]["high"]
    assert result["selections"]["oracle"]["iter"] == best(evaluated, "miou_pct")


def test_an_unknown_class_stops_the_run_before_its_folder_is_made(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", overrides=("protocol.classes=no-clutter",))
    with pytest.raises(UnknownName, match="clutter"):
        train(cfg, device="cpu")
    assert not (tmp_path / "run").exists()
