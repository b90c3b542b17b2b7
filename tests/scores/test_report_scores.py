"""What runs are collected, what belongs together, and which numbers stand in the tables: all known by hand.

A run of `write_cell` has two classes of 100 pixels a tile; with r of them right, both have an IoU of r / (200 - r).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.errors import UnknownName
from rs_adapt.render.document import Section, Table, TableCell
from rs_adapt.reports.make import make_report
from rs_adapt.reports.score_tables import Labels, classes_section, matrix_section, rank_columns, selections_section
from rs_adapt.runs.collect import collect
from rs_adapt.scores.groups import Group, Scores, score_runs
from rs_adapt.scores.intervals import paired_difference
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.ranking import rank
from rs_adapt.scores.t_interval import t_quantile

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]


def iou(right: float) -> float:
    return 100 * right / (200 - right)


def scores_of(tmp_path: Path, **options: Any) -> Scores:
    return score_runs(collect([tmp_path / "work"]).finished, **options)


def matrix(scores: Scores) -> Section:
    return matrix_section(rank_columns(scores.groups), Labels(scores.groups))


def row(table: Table, name: str) -> list[TableCell]:
    (found,) = (list(cells) for cells in table.rows if cells[0].text == name)
    return found


def test_mean_range_and_number_of_seeds(tmp_path: Path, write_cell: Write) -> None:
    for seed, right in enumerate((50, 60, 80)):
        write_cell(f"s{seed}", right=(right,) * 4, cell={"seed": seed})
    scores = scores_of(tmp_path)
    (group,) = scores.groups
    assert [score.run.seed for score in group.scores] == [0, 1, 2]
    assert group.mean == pytest.approx((iou(50) + iou(60) + iou(80)) / 3, abs=1e-3)
    cell = row(matrix(scores).tables[0], "frozen")[1]
    # 33.33, 42.86 and 66.67.
    assert (cell.text, cell.note, cell.bold) == ("47.6", "[33.3, 66.7], 3 seeds", False)


@pytest.mark.parametrize(
    ("difference", "bold"),
    [
        ((5,) * 12, True),  # better on every tile: so in every resample
        ((1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4), True),
        ((40, -30) * 6, False),  # better on the whole, by half of the tiles
        ((0,) * 12, False),
    ],
)
def test_best_is_bold_only_outside_the_interval_of_the_next(
    tmp_path: Path, write_cell: Write, difference: tuple[int, ...], bold: bool
) -> None:
    write_cell("a", right=(55,) * 12)
    write_cell("b", right=tuple(55 + change for change in difference), cell={"method": "lora"})
    write_cell("c", right=(20,) * 12, cell={"method": "rein"})
    table = matrix(scores_of(tmp_path)).tables[0]
    assert {name: row(table, name)[1].bold for name in ("frozen", "lora", "rein")} == {
        "frozen": False,
        "lora": bold,
        "rein": False,
    }
    assert any(note.startswith("Bold: ") for note in table.notes)
    assert bold != any("so nothing is bold" in note for note in table.notes)


def test_with_one_seed_the_interval_equals_that_of_compare(tmp_path: Path, write_cell: Write) -> None:
    rng = np.random.default_rng(3)
    a, b = (tuple(int(hit) for hit in rng.integers(40, 90, 12)) for _ in range(2))
    folders = [write_cell("a", right=a), write_cell("b", right=b, cell={"method": "lora"})]
    stored = [PerImage.load(folder / "confusions/iter40.npz") for folder in folders]
    order = np.argsort(np.array(stored[0].tiles, dtype=object))
    units = [one.counts_NKK[order] for one in stored]
    best_last = np.argsort([np.trace(one.sum(axis=0)) for one in units])
    found = paired_difference(units[best_last[0]], units[best_last[1]]).miou
    assert found.interval is not None
    why = rank(scores_of(tmp_path).groups).why
    assert why.startswith(
        f"best minus next best {found.points:+.2f} [{found.interval.low:+.2f}, {found.interval.high:+.2f}]"
    )


def test_seeds_that_differ_widen_the_interval(tmp_path: Path, write_cell: Write) -> None:
    # Every tile says that lora is better, but its seeds do not agree.
    for seed, right in enumerate((72, 76)):
        write_cell(f"frozen{seed}", right=(60,) * 12, cell={"seed": seed})
        write_cell(f"lora{seed}", right=(right,) * 12, cell={"seed": seed, "method": "lora"})
    ranking = rank(scores_of(tmp_path).groups)
    assert ranking.best is None
    lora = ranking.miou[1]
    assert lora is not None
    # The mean of two seeds has half their difference as its standard error, and one degree of freedom.
    half = t_quantile(0.95, 1) * (iou(76) - iou(72)) / 2
    assert (lora.low + lora.high) / 2 == pytest.approx((iou(72) + iou(76)) / 2)
    assert lora.high - lora.low == pytest.approx(2 * half, rel=0.03)


def test_one_seed_is_not_set_against_several(tmp_path: Path, write_cell: Write) -> None:
    for seed in (0, 1):
        write_cell(f"frozen{seed}", right=(60,) * 12, cell={"seed": seed})
    write_cell("lora", right=(90,) * 12, cell={"method": "lora"})
    ranking = rank(scores_of(tmp_path).groups)
    assert (ranking.best, ranking.why) == (None, "the best has 1 seed and the next best 2 seeds, so nothing is bold.")


def test_other_tiles_are_not_compared(tmp_path: Path, write_cell: Write) -> None:
    write_cell("a", right=(50,) * 12)
    write_cell("b", right=(90,) * 11, cell={"method": "lora"})
    ranking = rank(scores_of(tmp_path).groups)
    assert ranking.best is None
    assert "cannot be compared" in ranking.why


@pytest.mark.parametrize(
    "protocol",
    [
        {"name": "paper"},
        {"version": 2},
        {"weights": "teacher"},
        {"report_split": "south val"},
        {"inference": {"mode": "slide"}},
        {"target_crops": "by_labels", "unlabelled_split": "south train"},
    ],
)
def test_protocols_are_never_mixed(tmp_path: Path, write_cell: Write, protocol: dict[str, Any]) -> None:
    write_cell("a", right=(50,) * 12)
    write_cell("b", right=(90,) * 12, cell={"seed": 1}, protocol=protocol)
    scores = scores_of(tmp_path)
    assert sorted(len(group.scores) for group in scores.groups) == [1, 1]
    tables = [table for table in matrix(scores).tables if table.for_paper]
    heads = [(table.title, name) for table in tables for name in table.head[1:]]
    assert len(set(heads)) == 2
    # Each cell has one run's number, and where the rows of other tables name the bench they say which protocol.
    shown = [cell.text for table in tables for cells in table.rows for cell in cells[1:] if cell.text != "-"]
    assert sorted(shown) == ["33.3", "81.8"]
    labels = Labels(scores.groups)
    assert len({labels.name(group) for group in scores.groups}) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"cell": {"tuned": False, "seed": 1}},
        {"cell": {"head": "mask2former", "seed": 1}},
        {"cell": {"seed": 1}, "options": {"overrides": ["optim.lr=1e-5"], "weights": None}},
        {"cell": {"seed": 1}, "options": {"overrides": [], "weights": "random"}},
    ],
)
def test_other_settings_are_a_different_group(tmp_path: Path, write_cell: Write, change: dict[str, Any]) -> None:
    write_cell("a")
    write_cell("b", **change)
    scores = scores_of(tmp_path)
    assert len(scores.groups) == 2
    labels = Labels(scores.groups)
    assert len({labels.group_name(group.row) for group in scores.groups}) == 2


def test_of_two_runs_of_one_seed_the_newer_counts(tmp_path: Path, write_cell: Write) -> None:
    write_cell("old", right=(50,) * 4, finished="2026-01-01T00:00:00+00:00")
    write_cell("new", right=(80,) * 4, finished="2026-01-02T00:00:00+00:00")
    scores = scores_of(tmp_path)
    (group,) = scores.groups
    assert group.values == (pytest.approx(iou(80), abs=1e-3),)
    assert "old" in scores.remarks[0]
    assert len(make_report([tmp_path / "work"]).rows) == 2


def test_selections_and_the_gap_to_the_oracle(tmp_path: Path, write_cell: Write) -> None:
    folder = write_cell("a", right=(60,) * 4)
    stored = PerImage.load(folder / "confusions/iter40.npz")
    counts = np.array([[[80, 20], [20, 80]]] * 4, dtype=np.int64)
    PerImage(**{**vars(stored), "counts_NKK": counts}).save(folder / "confusions/iter30.npz")
    result = json.loads((folder / "result.json").read_text())
    result["selections"]["oracle"] = {"iter": 30, "miou_pct": 0.0, "confusions": "confusions/iter30.npz"}
    (folder / "result.json").write_text(json.dumps(result))
    scores = scores_of(tmp_path)
    (cells,) = selections_section(scores.groups, Labels(scores.groups)).tables[0].rows
    assert [cell.text for cell in cells[2:]] == ["42.86", "-", "-", "-", "66.67", "+23.81", "1"]
    oracle = scores_of(tmp_path, selection="oracle")
    assert oracle.groups[0].mean == pytest.approx(iou(80), abs=1e-3)
    assert "oracle*" in oracle.groups[0].column.protocol


def test_classes_have_their_own_numbers_and_intervals(tmp_path: Path, write_cell: Write) -> None:
    write_cell("a", right=(80,) * 12)
    scores = scores_of(tmp_path)
    table = classes_section(rank_columns(scores.groups), Labels(scores.groups)).tables[0]
    assert table.head == ["method", "a", "b", "mIoU"]
    assert [(cell.text, cell.note) for cell in table.rows[0][1:]] == [("66.7", "[66.7, 66.7]")] * 3


def test_class_sets_are_part_of_the_protocol(tmp_path: Path, write_cell: Write) -> None:
    write_cell("a")
    scores = scores_of(tmp_path, classes="no-b")
    assert scores.groups[0].column.protocol.endswith(", a")
    with pytest.raises(UnknownName, match="no class 'roof'"):
        scores_of(tmp_path, classes="roof")


def test_without_matrices_the_result_stands(tmp_path: Path, write_cell: Write) -> None:
    entry = {"iter": 40, "miou_pct": 51.5, "confusions": None}
    write_cell("a", miou_pct=51.5, iou_pct={"a": 50.0, "b": 53.0}, selections={"last": entry, "oracle": None})
    group: Group = scores_of(tmp_path).groups[0]
    assert (group.mean, group.scores[0].iou_pct) == (51.5, {"a": 50.0, "b": 53.0})
