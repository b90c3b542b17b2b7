"""Leaks planted in the config of a run are found: each with its file, line, key and consequence."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.errors import ConfigError, DataNotFound


def test_a_run_as_it_was_written_shows_nothing(make_run, lint_path) -> None:
    run = make_run()
    assert lint_path(run).serious == []
    assert lint_path(run / "config.py").serious == []


@pytest.mark.parametrize("loaded", [True, False])
def test_target_labels_on_the_training_path(make_run, lint_path, tmp_path: Path, loaded: bool) -> None:
    run = make_run()
    folder = f"{tmp_path}/data/loveda/urban/train"
    # The only set that has the target's training images, and no labels.
    text = (run / "config.py").read_text()
    start = text.index(f"img_dir='{folder}/img_dir'", text.index("unlabelled=dict("))
    head, tail = text[:start], text[start:]
    tail = tail.replace("ann_dir=None", f"ann_dir='{folder}/ann_dir'", 1)
    if loaded:
        tail = tail.replace("cat_max_ratio=1.0", "cat_max_ratio=0.75", 1)
    (run / "config.py").write_text(head + tail)
    found = lint_path(run)
    leak = found.only("target-labels-in-training")
    assert leak.level == "error"
    assert leak.key == "train_dataloader.dataset.unlabelled.ann_dir"
    assert leak.file == str(run / "config.py")
    assert f"ann_dir='{folder}/ann_dir'" in (run / "config.py").read_text().splitlines()[leak.line - 1]
    assert ("cat_max_ratio=0.75" in leak.found) is loaded
    assert "labels of the target reach" in leak.consequence.lower()
    assert ("error", "config-was-edited") in found.serious


def test_the_labelled_set_may_not_be_the_targets(make_run, lint_path) -> None:
    run = make_run(bench="loveda-dg")
    text = (run / "config.py").read_text()
    start = text.index("labelled=dict(")
    inner = text[start:].replace("/loveda/rural/train/", "/loveda/urban/train/", 2)
    (run / "config.py").write_text(text[:start] + inner)
    found = [one for one in lint_path(run) if one.rule == "target-labels-in-training"]
    assert [one.key.rpartition(".")[2] for one in found] == ["img_dir", "ann_dir"]
    assert "urban/train/ann_dir" in found[1].found


def test_supervision_trains_on_the_targets_labels(lint_cell) -> None:
    assert not [one for one in lint_cell("loveda-ss") if one.rule == "target-labels-in-training"]


def test_generalization_may_not_use_the_targets_styles(make_run, lint_path, edit, tmp_path: Path) -> None:
    run = make_run("bench.pipeline.fourier_mix=0.5", bench="loveda-dg")
    places = f"reference_dir='{tmp_path}/data/loveda/rural/train/img_dir'"
    line = edit(run / "config.py", places, places.replace("rural", "urban"))
    leak = lint_path(run).only("target-images-in-generalization")
    assert (leak.level, leak.line) == ("error", line)
    assert leak.key.endswith(".reference_dir")


def test_generalization_may_not_choose_by_target_images(lint_cell) -> None:
    found = lint_cell("loveda-dg", "protocol.selection=best_label_free")
    assert ("error", "target-images-in-generalization") in found.serious
    assert ("error", "target-images-in-generalization") not in lint_cell(
        "loveda-da", "protocol.selection=best_label_free"
    ).serious


def test_val_is_test_where_there_is_a_third_split(lint_cell) -> None:
    found = lint_cell("synthetic-da", "protocol.report_split=val").only("val-is-test")
    assert (found.level, found.key) == ("error", "protocol.report_split")
    assert found.file == "--set protocol.report_split=val"
    assert not [one for one in lint_cell("synthetic-da") if one.rule == "val-is-test"]


def test_val_is_test_in_an_edited_config(make_run, lint_path) -> None:
    run = make_run(bench="synthetic-da")
    text = (run / "config.py").read_text()
    start = text.index("test_dataloader = dict(")
    (run / "config.py").write_text(text[:start] + text[start:].replace("/south/test/img_dir", "/south/val/img_dir", 1))
    found = lint_path(run).only("val-is-test")
    assert (found.level, found.key) == ("error", "test_dataloader.dataset.img_dir")
    assert "south/val/img_dir" in (run / "config.py").read_text().splitlines()[found.line - 1]


def test_one_labelled_split_that_nothing_is_chosen_on_is_a_note(lint_cell) -> None:
    found = lint_cell("loveda-da").only("val-is-test")
    assert found.level == "note"
    assert "only the selection `oracle` uses it" in found.consequence


def test_choosing_the_best_by_a_hook_is_found(make_run, lint_path, edit) -> None:
    run = make_run()
    line = edit(
        run / "config.py", "checkpoint=dict(type='rs_adapt.StateHook')", "checkpoint=dict(type='X', save_best='mIoU')"
    )
    found = lint_path(run).only("selection-on-target-labels")
    assert (found.key, found.line) == ("default_hooks.checkpoint.save_best", line)
    assert ("error", "val-is-test") in lint_path(run).serious


def test_the_source_as_its_own_validation_may_not_choose(lint_cell) -> None:
    assert lint_cell("rescuenet-dg").only("tile-in-train-and-val").level == "note"
    found = lint_cell("rescuenet-dg", "protocol.selection=best_source_val").only("tile-in-train-and-val")
    assert found.level == "error"


def test_reported_images_that_adaptation_learnt_from(lint_cell) -> None:
    found = lint_cell("loveda-da", "protocol.unlabelled_split=val").only("tile-in-train-and-val")
    assert (found.level, found.key) == ("error", "test_dataloader.dataset.img_dir")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("import os\n", "line 1: `import os` is refused: it is not an assignment"),
        ("a = 1\nb = open('x')\n", "line 2: .* b is not a literal"),
        ("a = dict(b=[1, (2, len('x'))])\n", "a.b.1.1 is not a literal"),
        ("a = dict(**{})\n", "a has a key that is neither a text"),
        ("a = (\n", "line 1: the configuration is cut off or not Python"),
        ("a = 1\n", "has no 'cell'"),
    ],
)
def test_a_config_that_is_not_plain_data_is_refused(lint_path, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "c.py").write_text(content)
    with pytest.raises(ConfigError, match=said):
        lint_path(tmp_path / "c.py")


def test_a_path_that_is_not_there_or_no_run_is_refused(lint_path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="does not exist"):
        lint_path(tmp_path / "no")
    with pytest.raises(ConfigError, match="no config.py"):
        lint_path(tmp_path)


def test_a_config_with_a_lost_key_is_refused_and_not_a_crash(make_run, lint_path, tmp_path: Path) -> None:
    text = (make_run() / "config.py").read_text()
    assert "    selection='last',\n" in text
    (tmp_path / "c.py").write_text(text.replace("    selection='last',\n", ""))
    with pytest.raises(ConfigError, match="a key is missing.*'selection'"):
        lint_path(tmp_path / "c.py")
