"""Runs are averaged as seeds only where all that changes their result is equal, and tuned rows are told from others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.reports.comparison_tables import differ_line, scoring_line, settings_lines
from rs_adapt.reports.make import make_report
from rs_adapt.reports.score_tables import Labels, matrix_section, rank_columns
from rs_adapt.runs.collect import collect
from rs_adapt.runs.identity import hash_identity, identify
from rs_adapt.runs.run import Run
from rs_adapt.scores.comparison import compare_runs
from rs_adapt.scores.gains import gains_of
from rs_adapt.scores.groups import Scores, score_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]

BASE = "b" * 64


@pytest.fixture
def write(write_cell: Write, tmp_path: Path) -> Write:
    """Return a function that writes a finished run with its `config.py`, edited by (old, new) texts."""

    def write_run(
        name: str,
        *,
        seed: int = 0,
        bench: str = "synthetic-dg",
        method: str = "frozen",
        strategy: str | None = None,
        tuned_values: dict[str, Any] | None = None,
        edits: tuple[tuple[str, str], ...] = (),
        base: str = BASE,
        weights: str | None = None,
        **changes: Any,
    ) -> Path:
        cell = resolve_cell(bench, method=method, strategy=strategy, seed=seed)
        names = {"method": method, "seed": seed, "setting": cell.setting, "strategy": cell.strategy}
        folder = write_cell(name, cell=names, **changes)
        text = compose(cell, work_dir=folder, weights=weights, tuned_values=tuned_values).pretty_text
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        (folder / "config.py").write_text(text)
        manifest = json.loads((Path(__file__).parents[1] / "runs/stored_0_1_0/finished/manifest.json").read_text())
        manifest["base"]["sha256"] = base
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return write_run


def scores_of(tmp_path: Path) -> Scores:
    return score_runs(collect([tmp_path / "work"]).finished)


def labels_of(scores: Scores) -> list[str]:
    labels = Labels(scores.groups)
    return [labels.group_name(group.row) for group in scores.groups]


FASTER = (("lr=0.002", "lr=0.01"),)


def test_a_learning_rate_edited_between_seeds_is_a_row_of_its_own(tmp_path: Path, write: Write) -> None:
    write("a", right=(90,) * 4)
    write("b", right=(90,) * 4, seed=1)
    write("c", right=(20,) * 4, seed=2, edits=FASTER)
    scores = scores_of(tmp_path)
    assert [[score.run.seed for score in group.scores] for group in scores.groups] == [[0, 1], [2]]
    assert labels_of(scores) == ["frozen (learning rate 0.002)", "frozen (learning rate 0.01)"]
    (remark,) = scores.remarks
    assert "learning rate 0.002 (seeds 0, 1); learning rate 0.01 (seed 2)." in remark
    content = make_report([tmp_path / "work"]).content["groups"]
    assert [group["differs"] for group in content] == ["learning rate 0.002", "learning rate 0.01"]
    assert len({group["identity"] for group in content}) == 2


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"edits": (("max_iters=400", "max_iters=800"), ("iters=400", "iters=800"))}, "iterations 800"),
        ({"edits": (("cat_max_ratio=0.75", "cat_max_ratio=1.0"),)}, "bench.pipeline.cat_max_ratio 1.0"),
        # A key of the wiring alone.
        ({"edits": (("eps=1e-08", "eps=1e-06"),)}, "optim_wrapper.optimizer.eps 1e-06"),
        ({"base": "c" * 64}, "base weights cccccccc"),
        ({"data": {"labelled": {"tiles": 4, "sha256": "d" * 64}}}, "the labelled training tiles dddddddd"),
    ],
)
def test_all_that_changes_the_result_separates(
    tmp_path: Path, write: Write, change: dict[str, Any], label: str
) -> None:
    data = {"labelled": {"tiles": 4, "sha256": "a" * 64}}
    write("a", data=data)
    write("b", seed=1, **{"data": data} | change)
    scores = scores_of(tmp_path)
    assert [len(group.scores) for group in scores.groups] == [1, 1]
    assert f"frozen ({label})" in labels_of(scores)


def test_places_wording_and_machines_do_not_separate(tmp_path: Path, write: Write) -> None:
    write("a")
    other = {"packages": {"torch": "2.12.0"}, "device": "NVIDIA H100", "rs_adapt": "0.2.0"}
    edits = (("Synthetic scenes, north to south", "Drawn"), ("num_workers=2", "num_workers=0"))
    write("b", seed=1, edits=edits, environment=other)
    (group,) = scores_of(tmp_path).groups
    assert len(group.scores) == 2
    report = make_report([tmp_path / "work"])
    (summary,) = (section for section in report.sections if section.anchor == "summary")
    assert "rs-adapt 0.1.0, 0.2.0; device CPU, NVIDIA H100" in " ".join(summary.text)


def test_one_seed_twice_is_not_two_seeds(tmp_path: Path, write: Write) -> None:
    write("old", right=(50,) * 4, finished="2026-01-01T00:00:00+00:00")
    write("new", right=(80,) * 4, finished="2026-01-02T00:00:00+00:00")
    scores = scores_of(tmp_path)
    (group,) = scores.groups
    assert len(group.values) == 1
    assert "has the same cell and seed as" in scores.remarks[0]


def test_runs_of_different_code_of_a_plugin_are_no_seeds(tmp_path: Path, write: Write) -> None:
    for name, seed, digest in (("a", 0, "1"), ("b", 1, "1"), ("c", 2, "2")):
        folder = write(name, seed=seed)
        start = json.loads((folder / "cell.json").read_text())
        start["plugins"] = [{"name": "mine.py", "sha256": digest * 64, "methods": ["mine"]}]
        (folder / "cell.json").write_text(json.dumps(start))
    scores = scores_of(tmp_path)
    assert [[score.run.seed for score in group.scores] for group in scores.groups] == [[0, 1], [2]]
    assert labels_of(scores)[1] == "frozen (plugin mine.py 22222222)"


def test_runs_without_a_configuration_are_no_seeds_of_those_with_one(tmp_path: Path, write: Write) -> None:
    write("a")
    for seed in (1, 2):
        (write(f"b{seed}", seed=seed) / "config.py").unlink()
    scores = scores_of(tmp_path)
    assert sorted(len(group.scores) for group in scores.groups) == [1, 2]
    assert "frozen (configuration not known)" in labels_of(scores)
    assert any("known from their names alone" in remark for remark in scores.remarks)


def test_runs_of_version_0_1_0_are_seeds_of_each_other() -> None:
    run = Run.read(Path(__file__).parents[1] / "runs/stored_0_1_0/finished")
    identity = identify(run)
    assert (identity["optim.lr"], identity["weights"]) == (0.002, run.manifest and run.manifest.base.sha256)
    # The folders of the machine are in no value.
    assert "/rs-adapt" not in json.dumps(identity)
    assert not any("seed" in key and not key.startswith("bench.prepare") for key in identity)
    assert len(hash_identity(identity)) == 16


@pytest.mark.parametrize("bench", ["synthetic-da", "loveda-dg", "isprs-ss"])
def test_seeds_have_one_identity(tmp_path: Path, bench: str) -> None:
    hashes = set()
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        cfg = compose(resolve_cell(bench, seed=seed), work_dir=folder, data_root=tmp_path / f"data{seed}")
        (folder / "config.py").write_text(cfg.pretty_text)
        (folder / "cell.json").write_text(json.dumps({"cell": cfg.cell.to_dict()}))
        hashes.add(hash_identity(identify(Run.read(folder))))
    assert len(hashes) == 1


TUNED = {"rank": 64, "scale_init": 1.0}


def test_tuned_rows_are_marked_and_nothing_is_bold_beside_them(tmp_path: Path, write: Write) -> None:
    write("a", right=(90,) * 12, method="earth_adapter", tuned_values=TUNED)
    write("b", right=(50,) * 12, method="lora")
    scores = scores_of(tmp_path)
    assert labels_of(scores) == ["earth-adapter\u2020", "lora"]
    (table,) = matrix_section(rank_columns(scores.groups), Labels(scores.groups)).tables
    assert not any(cell.bold for row in table.rows for cell in row)
    assert any("so nothing is bold" in note and "\u2020" in note for note in table.notes)
    footnote = "earth-adapter on synthetic-dg (rank=64, scale_init=1.0)."
    assert any(note.endswith(footnote) and "test score" in note for note in table.notes)
    report = make_report([tmp_path / "work"])
    assert [group["best"] for group in report.content["groups"]] == [False, False]
    assert [row["tuned"] for row in report.rows] == [True, False]
    assert report.rows[0]["tuned_values"] == "rank=64, scale_init=1.0"
    assert report.content["groups"][0]["tuned_values"] == TUNED


def test_equals_have_a_winner(tmp_path: Path, write: Write) -> None:
    # `--untuned` or not: this bench has no tuned values, so both are the same.
    write("a", right=(90,) * 12, method="earth_adapter")
    write("b", right=(50,) * 12, method="lora")
    ranking = next(iter(rank_columns(scores_of(tmp_path).groups).values()))[1]
    assert ranking.best == 0


def test_different_states_of_the_scored_tiles_are_different_columns(tmp_path: Path, write: Write) -> None:
    for name, method, state in (("a", "frozen", "1"), ("b", "lora", "2")):
        write(
            name, method=method, right=(90 if name == "a" else 50,) * 12, data={"test": {"tiles": 4, "sha256": state}}
        )
    scores = scores_of(tmp_path)
    assert len({group.column for group in scores.groups}) == 2
    (table,) = matrix_section(rank_columns(scores.groups), Labels(scores.groups)).tables
    assert table.head[1:] == ["synthetic: south test (tiles 1)", "synthetic: south test (tiles 2)"]


def test_precision_of_the_scoring_is_a_different_column(tmp_path: Path, write: Write) -> None:
    write("a")
    write("b", seed=1, edits=(("precision='fp32'", "precision='bf16'"),))
    write("c", seed=2, precision="bf16")
    seen = {tuple(score.run.seed for score in group.scores): group.column.seen for group in scores_of(tmp_path).groups}
    assert {seeds: "precision bf16" in text for seeds, text in seen.items()} == {(0,): False, (1,): True, (2,): True}


def test_gains_need_references_of_the_same_settings(tmp_path: Path, write: Write) -> None:
    write("floor", right=(50,) * 12)
    write("row", right=(80,) * 12, bench="synthetic-da", strategy="dacs")
    gains = gains_of(scores_of(tmp_path).groups)
    assert [gain.over_source_only is not None for gain in gains] == [True, False]
    write("floor", right=(50,) * 12, edits=FASTER)
    gains = gains_of(scores_of(tmp_path).groups)
    assert [gain.over_source_only for gain in gains] == [None, None]
    assert "learning rate (0.002, 0.01)" in gains[0].refused[0]


def test_compare_names_settings_versions_tuned_values_and_precision(tmp_path: Path, write: Write) -> None:
    a = write("a", method="lora")
    same = compare_runs(a, a)
    assert (same.settings, same.environments, settings_lines(same)) == ([], [], [])
    b = write(
        "b",
        method="earth_adapter",
        tuned_values=TUNED,
        edits=(*FASTER, ("precision='fp32'", "precision='bf16'")),
        environment={"packages": {"torch": "2.12.0"}, "rs_adapt": "0.2.0"},
    )
    compared = compare_runs(a, b)
    # What the method's name stands for is no difference of settings.
    assert compared.settings == ["learning rate (0.002, 0.01)", "precision (fp32, bf16)"]
    assert (compared.differ, compared.environments) == (["precision"], ["rs-adapt 0.1.0, 0.2.0"])
    assert "precision (fp32, bf16)" in str(differ_line(compared))
    assert "precision bf16" in scoring_line(compared.b.scored)
    assert "precision" not in scoring_line(compared.a.scored)
    lines = settings_lines(compared)
    assert any(
        line.startswith("B uses values tuned for the bench: rank=64, scale_init=1.0, chosen by") for line in lines
    )
    assert lines[-1] == "The other does not, so the difference is not one of methods alone."
    assert compared.to_json()["b"]["tuned"]["values"] == TUNED  # type: ignore[index,call-overload]


def test_evaluations_are_listed_with_their_precision_and_in_no_mean(tmp_path: Path, write: Write) -> None:
    folder = write("a")
    assert not [section for section in make_report([tmp_path / "work"]).sections if section.anchor == "evaluations"]
    result = json.loads((folder / "result.json").read_text())
    for name, precision, score in (("test", "fp32", 60.0), ("test-bf16", "bf16", 40.0)):
        place = folder / "eval" / name
        place.mkdir(parents=True)
        (place / "result.json").write_text(json.dumps(result | {"precision": precision, "miou_pct": score}))
    report = make_report([tmp_path / "work"])
    (section,) = (section for section in report.sections if section.anchor == "evaluations")
    shown = [(row[2].text, row[3].text) for row in section.tables[0].rows]
    assert shown == [("60.00", "fp32"), ("40.00", "bf16")]
    assert len(report.rows) == len(report.content["groups"]) == 1
