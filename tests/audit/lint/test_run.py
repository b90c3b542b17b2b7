"""Files of a run that do not belong together, and what stands in it about its code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


def change(file: Path, **values: Any) -> None:
    """Set keys of a JSON file; `a__b` is b within a."""
    content = json.loads(file.read_text())
    for key, value in values.items():
        *path, last = key.split("__")
        node = content
        for part in path:
            node = node[part]
        node[last] = value
    file.write_text(json.dumps(content))


def test_an_edited_config_is_an_error_with_its_line(make_run, lint_path, edit) -> None:
    run = make_run()
    line = edit(run / "config.py", "optim = dict(lr=0.0001", "optim = dict(lr=0.0002")
    found = [one for one in lint_path(run) if one.level == "error"]
    assert [(one.rule, one.key, one.line) for one in found] == [("config-was-edited", "optim.lr", line)]
    assert found[0].found == "0.0002, but the run's cell and options compose to 0.0001"


def test_shipped_files_that_changed_since_do_not_count_as_an_edit(make_run, lint_path, edit) -> None:
    run = make_run()
    edit(run / "config.py", "optim = dict(lr=0.0001", "optim = dict(lr=0.0002")
    stamp = "2026/01/02 03:04:05 - mmengine - INFO - "
    (run / "train.log").write_text(f"{stamp}Config:\n{(run / 'config.py').read_text()}\n{stamp}Distributed training\n")
    found = lint_path(run)
    assert found.serious == []
    assert "changed since" in found.only("config-was-edited").consequence


def test_overrides_of_a_run_are_deviations_and_not_edits(make_run, lint_path) -> None:
    run = make_run("bench.schedule.iters=10", "runtime.num_workers=0")
    found = lint_path(run)
    assert [(one.rule, one.key) for one in found if one.level != "note"] == [
        ("deviates-from-bench", "bench.schedule.iters")
    ]


def test_a_run_from_a_different_machine_does_not_count_as_an_edit(
    make_run, lint_path, tmp_path: Path, monkeypatch
) -> None:
    run = make_run(bench="synthetic-da")
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "elsewhere"))
    run = run.rename(tmp_path / "moved")
    assert lint_path(run).serious == []


def test_a_config_without_a_record_is_compared_with_its_cell(make_run, lint_path, edit, tmp_path: Path) -> None:
    run = make_run("strategy.mix_weight=1.0", "bench.schedule.iters=1000")
    copy = tmp_path / "mine.py"
    copy.write_text((run / "config.py").read_text())
    assert lint_path(run).serious == lint_path(copy).serious
    edit(copy, "flip_prob=0.5", "flip_prob=0.1")
    found = [one.key for one in lint_path(copy) if one.level == "warning"]
    # The pipelines should follow from it, and do not.
    assert found[:1] == ["bench.pipeline.flip_prob"]
    assert "bench.schedule.iters" in found
    assert "train_dataloader.dataset.labelled.pipeline.4.prob" in found


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"protocol__selection": "oracle"}, "protocol.selection"),
        ({"protocol__report_split": "rural val"}, "test_dataloader.dataset.name"),
        ({"protocol__name": "paper"}, "protocol.name"),
        ({"protocol__version": 0}, "protocol.version"),
        ({"protocol__inference": {"mode": "whole"}}, "bench.inference"),
        ({"cell__seed": 3}, "cell"),
        ({"options__overrides": ["optim.lr=1"]}, "options.overrides"),
    ],
)
def test_a_result_of_a_different_config_is_an_error(make_run, lint_path, values: dict[str, Any], key: str) -> None:
    run = make_run()
    change(run / "result.json", **values)
    found = lint_path(run).only("result-differs-from-config")
    assert (found.level, found.key) == ("error", key)


def test_weights_of_a_different_run_are_an_error(make_run, lint_path) -> None:
    import hashlib

    run = make_run()
    (run / "adapter.safetensors").write_bytes(b"weights")
    sha256 = hashlib.sha256(b"weights").hexdigest()
    cell = json.loads((run / "cell.json").read_text())["cell"]
    manifest = {"cell": cell, "overrides": [], "base": {"name": "b", "sha256": "0"}, "classes": []}
    (run / "manifest.json").write_text(
        json.dumps(manifest | {"tensors": {"file": "adapter.safetensors", "sha256": sha256}})
    )
    result = json.loads((run / "result.json").read_text())
    for name, value in (("loveda_r2u-test", sha256), ("loveda_u2r-test", "0" * 64)):
        (run / "eval" / name).mkdir(parents=True)
        (run / "eval" / name / "result.json").write_text(json.dumps(result | {"pack_sha256": value}))
    found = lint_path(run).only("weights-of-another-run")
    assert (found.level, Path(found.file).parent.name) == ("error", "loveda_u2r-test")
    (run / "adapter.safetensors").write_bytes(b"others")
    assert [one.key for one in lint_path(run) if one.rule == "weights-of-another-run"] == [
        "tensors.sha256",
        "pack_sha256",
    ]


def test_other_code_and_unfinished_runs_are_notes(make_run, lint_path) -> None:
    run = make_run()
    change(run / "result.json", environment__rs_adapt="0.0.1", environment__git={"commit": "abc", "dirty": True})
    found = lint_path(run)
    assert found.serious == []
    assert [one.key for one in found if one.rule == "other-code"] == ["environment.rs_adapt", "environment.git.dirty"]
    (run / "result.json").unlink()
    assert lint_path(run).only("run-not-finished").level == "note"
