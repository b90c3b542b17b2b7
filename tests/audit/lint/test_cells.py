"""What lint says of the shipped cells: strict ones are clean, the paper's show its known deviations and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rs_adapt.audit.lint.check import RULES
from rs_adapt.audit.lint.foreign_check import FOREIGN_RULES
from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.config.bench_names import bench_families, settings_of
from rs_adapt.datasets.prepare import ensure_prepared

CELLS = [
    (family, direction, setting)
    for family, directions in bench_families().items()
    for direction, bench in directions.items()
    for setting in settings_of(bench)
    if bench in axes.values_of_task("bench", "segmentation")
]
TARGET_LABELS, VAL_IS_TEST, SELECTION = (
    ("error", "target-labels-in-training"),
    ("error", "val-is-test"),
    ("error", "selection-on-target-labels"),
)


@pytest.mark.parametrize(("family", "direction", "setting"), CELLS)
def test_strict_cells_are_clean(lint_cell, family: str, direction: str, setting: str) -> None:
    found = lint_cell(f"{family}-{setting}", direction=direction or None)
    assert found.serious == []


@pytest.mark.parametrize("direction", ["loveda-r2u", "loveda-u2r", "isprs-p2v", "isprs-v2p"])
@pytest.mark.parametrize(
    ("setting", "expected"), [("da", [TARGET_LABELS, VAL_IS_TEST, SELECTION]), ("dg", [VAL_IS_TEST, SELECTION])]
)
def test_paper_cells_show_the_known_deviations_and_no_other(
    lint_cell, direction: str, setting: str, expected: list[tuple[str, str]]
) -> None:
    found = lint_cell(f"{direction}-{setting}", protocol="paper")
    assert found.serious == expected
    assert {one.file for one in found if one.level == "error"} == {"configs/protocol/paper.py"}


def test_choosing_by_target_labels_is_only_a_note_in_supervision(lint_cell) -> None:
    found = lint_cell("loveda-ss", protocol="paper")
    assert found.serious == [VAL_IS_TEST]
    assert found.only("selection-on-target-labels").level == "note"


def test_training_images_are_only_in_the_curve_of_the_server_protocol(lint_cell) -> None:
    found = lint_cell("loveda-da", protocol="loveda-server")
    assert found.serious == []
    assert "the score itself comes from the server" in found.only("tile-in-train-and-val").consequence


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_synthetic_tiles_are_clean(lint_cell, shared_home: Path, tmp_path: Path, setting: str) -> None:
    cfg = compose(resolve_cell(f"synthetic-{setting}"), data_root=tmp_path)
    ensure_prepared(
        prepare=cfg.bench.prepare.to_dict(),
        bench=cfg.bench.to_dict(),
        data_root=tmp_path,
        out_dir=Path(cfg.prepared_dir),
    )
    found = lint_cell(f"synthetic-{setting}", data_root=tmp_path)
    assert found.serious == []
    assert not [one for one in found if one.rule == "data-not-checked"]


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_random_tiles_of_loveda_are_clean(lint_cell, loveda_tiles: Path, setting: str) -> None:
    found = lint_cell(f"loveda-{setting}", data_root=loveda_tiles)
    assert found.serious == []
    assert not [one for one in found if one.rule == "data-not-checked"]


def test_scenes_in_both_splits_are_a_note_where_the_bench_says_so(lint_cell) -> None:
    found = lint_cell("dubai-da").only("tile-in-train-and-val")
    assert found.level == "note"
    assert "tile3" in found.found
    assert found.file == "configs/bench/dubai.py"


def test_different_bands_are_a_note(lint_cell) -> None:
    found = lint_cell("isprs-da").only("band-order")
    assert (found.level, found.key) == ("note", "bench.target.bands")
    assert not [one for one in lint_cell("isprs-irrg-da") if one.rule == "band-order"]


def test_tuned_values_are_a_note_and_untuned_ones_are_not(lint_cell) -> None:
    found = lint_cell("loveda-da").only("tuned-on-target-labels")
    assert found.level == "note"
    assert "rank=16" in found.found
    assert not [one for one in lint_cell("loveda-da", tuned=False) if one.rule == "tuned-on-target-labels"]


@pytest.mark.parametrize(
    ("text", "axes", "rule", "file"),
    [
        ("bench.schedule.iters=100", {}, "deviates-from-bench", "--set bench.schedule.iters=100"),
        ("optim.lr=6e-5", {}, "deviates-from-bench", "--set optim.lr=6e-5"),
        ("model.backbone.adapter.rank=8", {}, "deviates-from-bench", "--set model.backbone.adapter.rank=8"),
        ("param_scheduler.0.power=1.0", {}, "deviates-from-bench", "--set param_scheduler.0.power=1.0"),
        ("protocol.label_free=entropy", {}, "deviates-from-protocol", "--set protocol.label_free=entropy"),
        ("optim.lr=6e-5", {"protocol": "paper"}, "deviates-from-protocol", "--set optim.lr=6e-5"),
    ],
)
def test_a_changed_value_is_a_warning(lint_cell, text: str, axes: dict[str, Any], rule: str, file: str) -> None:
    found = [one for one in lint_cell("loveda-da", text, **axes) if one.level == "warning"]
    assert [(one.rule, one.file, one.key) for one in found] == [(rule, file, text.partition("=")[0])]


def test_a_changed_protocol_is_reported(lint_cell) -> None:
    found = lint_cell("loveda-da", "protocol.label_free=entropy").only("deviates-from-protocol")
    assert found.found == "strict, changed: 'entropy' here, 'info_max' in configs/protocol/strict.py"


@pytest.mark.parametrize("text", ["runtime.num_workers=0", "optim.lr=1e-4", "bench.title='LoveDA'"])
def test_values_that_change_no_score_are_not_deviations(lint_cell, text: str) -> None:
    assert lint_cell("loveda-da", text).serious == []


def test_a_value_that_differs_from_the_published_recipe_is_a_warning(lint_cell) -> None:
    found = lint_cell("loveda-da", protocol="paper", backbone="dinov2-s")
    assert found.serious[3:] == [("warning", "deviates-from-protocol")]
    assert found.only("deviates-from-protocol").key == "cell.backbone"


def test_random_weights_are_a_deviation() -> None:
    from rs_adapt.audit.lint.check import lint
    from rs_adapt.audit.lint.sources import subject_from_cell

    found = lint(subject_from_cell(resolve_cell("loveda-da"), weights="random"), data=False)
    assert [one.key for one in found if one.level == "warning"] == ["model.backbone.weights"]


def test_the_page_has_every_rule() -> None:
    page = (Path(__file__).parents[3] / "docs" / "trust" / "lint.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    # A table for cells, and one for configurations of other programs.
    assert listed == [*(rule.id for rule in RULES), *(rule.id for rule in FOREIGN_RULES)]
