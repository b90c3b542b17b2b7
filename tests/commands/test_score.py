"""`rs-adapt score` as its users meet it: other classes, groups, selections and protocols from what a run stored."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.config.paths import configs_dir
from rs_adapt.metrics import scores_of
from rs_adapt.scores.intervals import bootstrap
from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

MINE = """
protocol = dict(
    name="mine", version=1, report_split="test", classes="all", inference=None, weights="student", selection="last",
    label_free="info_max", unlabelled_split="train", target_crops="blind",
)
"""
CELL = {
    **{"bench": "isprs_p2v", "setting": "da", "method": "frozen", "backbone": "dinov2_l"},
    **{"head": "linear", "strategy": "dacs", "seed": 0},
}


@pytest.fixture
def protocols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function (name, **changes) that writes a protocol and gives its name as it is typed."""
    configs = tmp_path / "configs"
    shutil.copytree(configs_dir(), configs)
    (configs / "protocol").mkdir(exist_ok=True)
    (configs / "protocol" / "mine.py").write_text(MINE)
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(configs))

    def write(name: str, **changes: Any) -> str:
        items = ", ".join(f"{key}={value!r}" for key, value in ({"name": name} | changes).items())
        (configs / "protocol" / f"{name}.py").write_text(f'_base_ = "mine.py"\nprotocol = dict({items})\n')
        return name.replace("_", "-")

    return write


def as_json(shown: tuple[Any, str, str]) -> dict[str, Any]:
    code, out, err = shown
    assert (code, err) == (0, "")
    content: dict[str, Any] = json.loads(out)
    return content


def matrices(folder: Path) -> PerImage:
    return PerImage.load(folder / "confusions" / "last.npz")


def test_scores_equal_those_of_the_summed_matrix(run_verb: Verb, write_run: Callable[..., Path]) -> None:
    run = write_run("run")
    content = as_json(run_verb("score", run, "--json"))
    expected = scores_of(matrices(run).total_KK(), matrices(run).classes)
    assert content["miou_pct"] == round(expected.miou_pct, 3)
    assert content["aacc_pct"] == round(expected.aacc_pct, 3)
    for name, iou in expected.iou_pct.items():
        assert content["classes"][name]["iou_pct"] == round(iou, 3)
    scenes = matrices(run).counts_NKK.reshape(2, 12, 6, 6).sum(axis=0)
    # Units are sorted by city and name: east/area0, ..., west/area10, ...
    order = sorted(range(12), key=lambda number: (number >= 4, f"area{number}"))
    miou = bootstrap(scenes[order]).miou
    assert miou is not None
    assert (content["interval"]["low"], content["interval"]["high"]) == (round(miou.low, 3), round(miou.high, 3))
    assert (content["images"], content["interval"]["units"], content["interval"]["unit"]) == (24, 12, "scene")


def test_the_table_names_classes_intervals_and_how_it_was_scored(run_verb: Verb, write_run) -> None:
    code, out, err = run_verb("score", write_run("run"), "--classes", "no-clutter", "--worst", "2")
    assert (code, err) == (0, "")
    assert "clutter (not in the mean)" in out
    assert "95 % interval" in out
    assert (
        "Scored: vaihingen test, protocol mine-1 except for --classes, last weights at iteration 400, student, slide, "
        "mean over 5 of 6 classes (no clutter)." in out
    )
    assert "24 images. Intervals: 12 scenes with labels, drawn 2000 times, seed 0." in out
    assert "Intervals reflect the choice of the scored scenes, not that of the training seed." in out
    assert "rough" not in out
    assert out.count(" taken for ") == 2


def test_scoring_twice_prints_the_same(run_verb: Verb, write_run: Callable[..., Path]) -> None:
    run = write_run("run")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    arguments = ("score", run, "--group-by", "image", "--worst", "3", "--classes", "tree,car")
    assert run_verb(*arguments) == run_verb(*arguments)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_classes_change_the_mean_and_ignore_the_counted_pixels(run_verb: Verb, write_run) -> None:
    run = write_run("run")
    whole = as_json(run_verb("score", run, "--json"))
    five = as_json(run_verb("score", run, "--classes", "NO_CLUTTER", "--json"))
    ious = [facts["iou_pct"] for facts in whole["classes"].values()]
    assert five["miou_pct"] == pytest.approx(sum(ious[:5]) / 5, abs=0.001)
    assert [facts["iou_pct"] for facts in five["classes"].values()] == ious
    assert [facts["in_mean"] for facts in five["classes"].values()] == [True] * 5 + [False]
    dropped = as_json(run_verb("score", run, "--ignore", "clutter", "--json"))
    matrix = matrices(run).total_KK()
    matrix[5] = 0
    expected = list(scores_of(matrix, matrices(run).classes).iou_pct.values())[:5]
    assert [facts["iou_pct"] for facts in dropped["classes"].values()] == [round(value, 3) for value in expected]
    assert dropped["miou_pct"] == pytest.approx(sum(expected) / 5, abs=0.001)
    assert dropped["pixels"] == matrix.sum()


@pytest.mark.parametrize(("by", "groups"), [("image", 24), ("scene", 12), ("city", 2)])
def test_groups_add_up_to_the_whole(run_verb: Verb, write_run, by: str, groups: int) -> None:
    run = write_run("run")
    content = as_json(run_verb("score", run, "--group-by", by, "--json"))
    assert len(content["groups"]) == groups
    assert sum(group["images"] for group in content["groups"]) == content["images"] == 24
    assert sum(group["pixels"] for group in content["groups"]) == content["pixels"] == matrices(run).counts_NKK.sum()
    assert sum(group["share_pct"] for group in content["groups"]) == pytest.approx(100, abs=0.02)
    if by == "city":
        east = matrices(run).counts_NKK[[tile % 12 < 4 for tile in range(24)]].sum(axis=0)
        assert content["groups"][0]["name"] == "east"
        assert content["groups"][0]["miou_pct"] == round(scores_of(east, matrices(run).classes).miou_pct, 3)
        assert "west" in run_verb("score", run, "--group-by", by)[1]


def test_worst_images_have_the_lowest_miou(run_verb: Verb, write_run: Callable[..., Path]) -> None:
    run = write_run("run")
    content = as_json(run_verb("score", run, "--worst", "5", "--json"))
    images = matrices(run)
    scores = {
        tile: scores_of(matrix, images.classes).miou_pct
        for tile, matrix in zip(images.tiles, images.counts_NKK, strict=True)
    }
    assert [image["tile"] for image in content["worst"]] == sorted(scores, key=scores.__getitem__)[:5]
    assert len(as_json(run_verb("score", run, "--worst", "99", "--json"))["worst"]) == 24


def test_few_units_make_a_rough_interval(run_verb: Verb, write_run, stored) -> None:
    run = write_run("run")
    by_image = as_json(run_verb("score", run, "--unit", "image", "--json"))["interval"]
    assert (by_image["unit"], by_image["units"], by_image["rough"]) == ("image", 24, False)
    few = write_run("few", last=stored(scenes=tuple(f"s{tile % 4}" for tile in range(24)), cities=("",) * 24))
    assert "4 scenes: too few for more than a rough interval." in run_verb("score", few)[1]
    one_scene = write_run("one", last=stored(scenes=("s",) * 24, cities=("",) * 24))
    assert "1 scene: no interval." in run_verb("score", one_scene)[1]
    assert as_json(run_verb("score", one_scene, "--json"))["interval"]["low"] is None
    unknown = write_run("unknown", last=stored(scenes=("",) * 24, cities=("",) * 24))
    assert as_json(run_verb("score", unknown, "--json"))["interval"]["unit"] == "image"
    code, _, err = run_verb("score", unknown, "--unit", "scene")
    assert (code, "24 of 24 images have no known scene" in err) == (2, True)


def test_selections_eval_folders_and_files(run_verb: Verb, write_run, stored, tmp_path: Path) -> None:
    best = stored(seed=3, facts={"iter": 200})
    run = write_run("run", last=stored(), oracle=best)
    shown = run_verb("score", run, "--selection", "Oracle")[1]
    assert "oracle* weights at iteration 200 (*chosen with target labels, so not a result of adaptation)" in shown
    expected = as_json(run_verb("score", run, "--selection", "oracle", "--json"))["miou_pct"]
    assert expected == round(scores_of(best.total_KK(), best.classes).miou_pct, 3)
    headed = write_run("headed", headline="oracle", last=stored(), oracle=best)
    assert as_json(run_verb("score", headed, "--json"))["miou_pct"] == expected
    folder = tmp_path / "eval"
    best.save(folder / "confusions.npz")
    result = {"cell": CELL, "confusions": "confusions.npz", "protocol": {"selection": "oracle"}}
    (folder / "result.json").write_text(json.dumps(result))
    refusals = {
        folder: "belongs to the selection oracle, but last was requested",
        folder / "confusions.npz": "does not state its selection, but last was requested",
    }
    for place, match in refusals.items():
        assert as_json(run_verb("score", place, "--json"))["miou_pct"] == expected
        code, _, err = run_verb("score", place, "--selection", "last")
        assert (code, match in err) == (2, True)
    assert "oracle* weights" in run_verb("score", folder)[1]
    assert "protocol mine-1, weights at iteration 200" in run_verb("score", folder / "confusions.npz")[1]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--classes", "no-cluter"), "no class 'cluter'. Did you mean clutter?"),
        (("--ignore", "water"), "no class 'water'"),
        (("--selection", "best"), "no selection 'best'. Did you mean"),
        (("--selection", "oracle"), "no matrices of the selection oracle. It has: last"),
        (("--protocol", "no-such"), "no protocol 'no-such'"),
    ],
)
def test_wrong_words_are_refused(run_verb: Verb, write_run, arguments: tuple[str, ...], match: str) -> None:
    code, out, err = run_verb("score", write_run("run"), *arguments)
    assert (code, out) == (2, "")
    assert match in err


def test_error_of_missing_matrices_names_the_command_that_writes_them(run_verb: Verb, tmp_path: Path, stored) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "result.json").write_text(json.dumps({"cell": CELL, "protocol": {"report_split": "vaihingen test"}}))
    code, _, err = run_verb("score", old)
    assert code == 2
    assert f"rs-adapt eval {old} writes them" in err
    stored().save(old / "eval" / "isprs_p2v-test" / "confusions.npz")
    assert f"{old / 'eval' / 'isprs_p2v-test'} has some" in run_verb("score", old)[2]
    unscored = {"cell": CELL, "protocol": {"report_split": None}, "selections": {"last": None}}
    (old / "result.json").write_text(json.dumps(unscored))
    err = run_verb("score", old)[2]
    assert "the target has no labels" in err
    assert f"rs-adapt eval {old} --split source-val" in err
    (old / "result.json").write_text("{")
    assert "cannot be read" in run_verb("score", old)[2]
    (old / "result.json").unlink()
    (old / "state.pth").touch()
    assert "The run is not finished" in run_verb("score", old)[2]
    assert "There is no" in run_verb("score", tmp_path / "nowhere")[2]
    (old / "x.npz").write_bytes(b"PK")
    assert run_verb("score", old / "x.npz")[0] == 2


def test_protocol_decides_selection_and_classes(run_verb: Verb, write_run, stored, protocols) -> None:
    best = stored(seed=3, facts={"iter": 200})
    run = write_run("run", last=stored(), oracle=best)
    name = protocols("five_best", selection="oracle", classes="no-clutter")
    content = as_json(run_verb("score", run, "--protocol", name, "--json"))
    by_hand = as_json(run_verb("score", run, "--selection", "oracle", "--classes", "no-clutter", "--json"))
    assert content["miou_pct"] == by_hand["miou_pct"]
    assert "protocol five-best-1, oracle* weights" in run_verb("score", run, "--protocol", name)[1]
    code, _, err = run_verb("score", run, "--protocol", name, "--classes", "all")
    assert (code, "leave out --classes" in err) == (2, True)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"weights": "teacher"}, "scores the teacher.*rs-adapt train --protocol other"),
        ({"selection": "oracle"}, "no matrices of the selection oracle"),
        ({"report_split": "val"}, "scores the val tiles.*rs-adapt eval RUN --split val"),
        ({"report_split": "server"}, "scored by the data set's server"),
        ({"inference": "whole"}, "mode whole.*rs-adapt train --protocol other"),
        ({"target_crops": "by_labels"}, "target_crops 'by_labels'.*rs-adapt train --protocol other"),
        ({"unlabelled_split": "val"}, "unlabelled_split 'val'"),
    ],
)
def test_protocols_that_need_a_different_run_are_refused(run_verb, write_run, protocols, changes, match: str) -> None:
    code, _, err = run_verb("score", write_run("run"), "--protocol", protocols("other", **changes))
    assert code == 2
    assert re.search(match, err), err


def test_protocol_does_not_require_data_that_the_setting_never_sees(run_verb, write_run, protocols) -> None:
    name = protocols("other", target_crops="by_labels")
    assert (
        run_verb("score", write_run("dg", said={"unlabelled_split": None, "target_crops": None}), "--protocol", name)[0]
        == 0
    )
    assert run_verb("score", write_run("da"), "--protocol", name)[0] == 2


def test_test_tiles_are_val_where_a_bench_has_no_third_split(run_verb, write_run, stored, protocols) -> None:
    name = protocols("other")
    two = write_run("two", last=stored(facts={"split": "urban val", "bench": "loveda_r2u"}))
    assert run_verb("score", two, "--protocol", name)[0] == 0
    three = write_run("three", last=stored(facts={"split": "south val", "bench": "synthetic"}))
    unknown = write_run("unknown", last=stored(facts={"split": "south val", "bench": "my.toml"}))
    for run in (three, unknown):
        code, _, err = run_verb("score", run, "--protocol", name)
        assert (code, "scores the test tiles" in err) == (2, True)


def test_there_is_no_score_without_labelled_pixels(run_verb: Verb, write_run, stored) -> None:
    run = write_run("run", last=stored(counts_NKK=np.zeros((24, 6, 6), dtype=np.int64)))
    content = as_json(run_verb("score", run, "--worst", "2", "--json"))
    assert (content["miou_pct"], content["aacc_pct"], content["worst"]) == (None, None, [])
    assert "0 scenes: no interval." in run_verb("score", run)[1]


def test_the_mean_is_over_the_classes_of_the_runs_own_protocol(run_verb: Verb, write_run, stored, protocols) -> None:
    run = write_run("run", said={"classes": "no-clutter"})
    content = as_json(run_verb("score", run, "--json"))
    assert content["miou_pct"] == as_json(run_verb("score", run, "--classes", "no-clutter", "--json"))["miou_pct"]
    assert "protocol mine-1, last weights" in run_verb("score", run)[1]
    # A file by itself names its protocol only.
    name = protocols("five", classes="no-clutter")
    five = write_run("five", last=stored(facts={"protocol": f"{name}-1"})) / "confusions" / "last.npz"
    assert as_json(run_verb("score", five, "--json"))["miou_pct"] == content["miou_pct"]
    code, _, err = run_verb("compare", run, write_run("all"))
    assert (code, "Choose them with --classes" in err) == (2, True)
