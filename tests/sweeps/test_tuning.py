"""A setting of a sweep is chosen by a statistic on unlabelled images, and no score of the target is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.runs.records import Result, TuningRecord, read_record
from rs_adapt.sweeps.cells import SweepCell, expand
from rs_adapt.sweeps.folder import CellState
from rs_adapt.sweeps.spec import read_spec
from rs_adapt.sweeps.tuning import check_tuning, choose_settings, tuning_lines, write_tuning
from tests.sweeps.conftest import CELL

LINE = "synthetic-da / earth-adapter / dinov2-nano / linear"


@pytest.fixture
def cells(tmp_path: Path) -> Callable[..., list[SweepCell]]:
    """Return a function that expands a sweep of two strategies and two seeds, with further lines of its file."""

    def make(*lines: str) -> list[SweepCell]:
        keys = ('name = "tuned"', 'bench = "synthetic-da"', 'strategy = ["dacs", "dacs-balanced"]', "seed = [0, 1]")
        file = tmp_path / "tuned.toml"
        file.write_text("\n".join((*keys, *lines)))
        return list(expand(read_spec(file), folder=tmp_path / "runs").cells)

    return make


def finish(cells: Sequence[SweepCell], values: dict[str, list[float]], **of_result: Any) -> dict[str, CellState]:
    """Write the evaluations of cells, whose statistic is that of their strategy by seed, and return their states."""
    states = {}
    for cell in cells:
        value = values[cell.cell.strategy][cell.cell.seed]
        cell.folder.mkdir(parents=True, exist_ok=True)
        # The reported checkpoint is the second.
        lines = [
            {"iter": 10, "miou_pct": 1.0, "label_free": {"info_max": 1.0, "entropy": 0.0}},
            {"iter": 20, "miou_pct": 100 * (1 - value), "label_free": {"info_max": value, "entropy": value}},
        ]
        (cell.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        result = Result.model_validate({"cell": CELL, "iter": 20, "miou_pct": 100 * (1 - value)} | of_result)
        states[cell.name] = CellState(status="done", result=result)
    return states


def test_the_best_mean_over_seeds_wins_whatever_the_scores(cells: Callable[..., list[SweepCell]]) -> None:
    # An override of all cells is no part of a setting's line.
    made = cells('set = ["optim.lr=1e-3"]')
    states = finish(made, {"dacs": [0.5, 0.3], "dacs_balanced": [0.45, 0.45]})
    tuning = choose_settings(made, states, statistic="info_max", sweep="tuned")
    (choice,) = tuning.choices
    assert choice.chosen == f"{LINE} / dacs-balanced"
    assert [(each.setting, each.seeds, each.iters) for each in choice.candidates] == [
        (f"{LINE} / dacs-balanced", [0, 1], [20, 20]),
        (f"{LINE} / dacs", [0, 1], [20, 20]),
    ]
    assert [each.value for each in choice.candidates] == pytest.approx([0.45, 0.4])
    (by_entropy,) = choose_settings(made, states, statistic="entropy", sweep="tuned").choices
    assert by_entropy.chosen == f"{LINE} / dacs"


def test_each_target_has_its_own_choice(cells: Callable[..., list[SweepCell]]) -> None:
    made = cells('[[include]]\nbench = "shifts-da"\nstrategy = ["dacs", "dacs-balanced"]')
    states = finish(made, {"dacs": [0.5, 0.5], "dacs_balanced": [0.4, 0.4]})
    choices = choose_settings(made, states, statistic="info_max", sweep="tuned").choices
    assert [choice.images for choice in choices] == [
        "synthetic south train, up to 64 tiles",
        "shifts dev1_target train, up to 64 tiles",
    ]
    assert [len(choice.candidates) for choice in choices] == [2, 2]


def test_settings_with_missing_cells_values_or_labels_are_left_out(cells: Callable[..., list[SweepCell]]) -> None:
    made = cells('[[include]]\nbench = "synthetic-dg"\nstrategy = "source-only"')
    states = finish(made, {"dacs": [0.5, 0.3], "dacs_balanced": [0.4, 0.4], "source_only": [0.9, 0.9]})
    last = next(cell for cell in reversed(made) if cell.cell.strategy == "dacs")
    states[last.name] = CellState(status="interrupted")
    tuning = choose_settings(made, states, statistic="info_max", sweep="tuned")
    assert [choice.chosen for choice in tuning.choices] == [f"{LINE} / dacs-balanced"]
    assert {skipped.reason for skipped in tuning.left_out} == {
        "1 of 2 cells are done",
        "the setting dg may not look at images of the target",
    }
    nothing = choose_settings(made, states, statistic="agreement", sweep="tuned")
    assert not nothing.choices
    assert "2 of 2 cells did not record agreement" in {skipped.reason for skipped in nothing.left_out}


def test_a_checkpoint_that_target_labels_chose_is_not_compared(cells: Callable[..., list[SweepCell]]) -> None:
    made = cells("set = [\"protocol.selection='oracle'\"]")
    states = finish(made, {"dacs": [0.5, 0.3], "dacs_balanced": [0.4, 0.4]})
    tuning = choose_settings(made, states, statistic="info_max", sweep="tuned")
    assert not tuning.choices
    assert all("target labels" in skipped.reason for skipped in tuning.left_out)


def test_the_statistic_is_the_default_or_named(cells: Callable[..., list[SweepCell]]) -> None:
    made = cells()
    assert check_tuning(made, "label-free") == "prior_agreement"
    assert check_tuning(made, "info-max") == "info_max"
    with pytest.raises(ConfigError, match="--tune 'miou' is no statistic. Allowed: label-free, info-max"):
        check_tuning(made, "miou")
    with pytest.raises(ConfigError, match="the sweep selects none"):
        check_tuning([], "label-free")


def test_the_choice_is_written_and_printed(cells: Callable[..., list[SweepCell]], tmp_path: Path) -> None:
    made = cells()
    states = finish(made, {"dacs": [0.5, 0.3], "dacs_balanced": [0.45, 0.45]})
    tuning = choose_settings(made, states, statistic="info_max", sweep="tuned")
    assert read_record(write_tuning(tmp_path, tuning), TuningRecord) == tuning
    first, *rest = tuning_lines(tuning)
    assert first == (
        f"tuned by info_max on synthetic south train, up to 64 tiles, without labels, among 2 settings: "
        f"{LINE} / dacs-balanced"
    )
    assert rest == [f"  0.4500  {LINE} / dacs-balanced (seeds 0, 1)", f"  0.4000  {LINE} / dacs (seeds 0, 1)"]
