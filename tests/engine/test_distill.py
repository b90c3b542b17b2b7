"""A student's run: its files name the teacher and hold nothing of it, and it resumes exactly, with that one alone."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rs_adapt.api.teaching import find_teacher
from rs_adapt.audit.selfcheck.check import check_run
from rs_adapt.audit.selfcheck.outcome import Outcome
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.teacher import Teacher
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import CheckpointMismatch, ConfigError, RsAdaptError
from rs_adapt.runs.records import Manifest, Result, RunStart, read_record
from rs_adapt.runs.run import Run
from tests.engine.test_train import SignalAt

STUDENT = {"strategy": "distill", "backbone": "convnext-nano"}


@pytest.fixture
def teacher(tiny_cell, trained_once) -> Teacher:
    """A ViT that was trained on the source alone."""
    cfg = tiny_cell("dg", method="lora", run="teacher", iters=1)
    found = find_teacher(trained_once("teacher", lambda: train(cfg, device="cpu")), progress=False)
    assert found is not None
    return found


def changed(teacher: Teacher, **facts: Any) -> Teacher:
    return dataclasses.replace(teacher, manifest=teacher.manifest.model_copy(update=facts))


def test_a_student_names_its_teacher_and_holds_nothing_of_it(tiny_cell, teacher: Teacher, tmp_path: Path) -> None:
    cfg = tiny_cell(**STUDENT, iters=2)
    result = train(cfg, device="cpu", teacher=teacher)
    assert result is not None
    run = tmp_path / "run"
    for file, kind in (("cell.json", RunStart), ("result.json", Result), ("manifest.json", Manifest)):
        record: Any = read_record(run / file, kind)
        assert record.teacher == teacher.facts
        assert any(
            "Distilled from a run (loveda-r2u-dg / lora / source-only / seed 0; " in note for note in record.notes
        )
    assert teacher.facts.sha256 == teacher.manifest.tensors.sha256  # type: ignore[union-attr]
    pack = load_file(run / "adapter.safetensors")
    assert {name.split(".")[1] for name in pack if name.startswith("backbone.")} == {"embeddings", "stages"}
    assert sum(value.numel() for value in pack.values()) == result.parameters["trainable"]
    assert set(result.data) >= {"labelled", "unlabelled"}
    assert "teacher=dinov2_nano/lora" in Run.read(run).overrides
    outcome = check_run(run)
    assert outcome.contradictions == ()
    assert {check.name: check.outcome for check in outcome.checks}["teacher"] is Outcome.CHECKED
    shutil.rmtree(tmp_path / "teacher")
    content = json.loads((run / "manifest.json").read_text())
    content["teacher"]["sha256"] = "0" * 64
    (run / "manifest.json").write_text(json.dumps(content))
    assert any(
        "manifest.json names the teacher with SHA-256 0000" in text for text in map(str, check_run(run).contradictions)
    )


def test_in_generalization_no_image_of_the_target_is_read(tiny_cell, teacher: Teacher, loveda_root: Path) -> None:
    cfg = tiny_cell("dg", **STUDENT, iters=2)
    assert cfg.train_dataloader.dataset.unlabelled is None
    result = train(cfg, device="cpu", teacher=teacher)
    assert result is not None
    assert "unlabelled" not in result.data


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 3], ids=["in the first phase", "in the second phase"])
def test_an_interrupted_run_continues_exactly(tiny_cell, teacher: Teacher, tmp_path: Path, stop: int) -> None:
    train(tiny_cell(run="straight", **STUDENT, iters=4), device="cpu", teacher=teacher)
    cfg = tiny_cell(run="parts", **STUDENT, iters=4)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", teacher=teacher, hooks=[SignalAt(stop, signal.SIGTERM)])
    with pytest.raises(ConfigError, match=r"learns from a trained run: name a run or pack with --teacher"):
        train(cfg, device="cpu", resume=True)
    other = changed(teacher, tensors=teacher.manifest.tensors.model_copy(update={"sha256": "0" * 64}))  # type: ignore[union-attr]
    with pytest.raises(CheckpointMismatch):
        train(cfg, device="cpu", resume=True, teacher=other)
    train(cfg, device="cpu", resume=True, teacher=teacher)
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("straight", "parts"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_teacher_at_resumption_is_refused(tiny_cell, teacher: Teacher, tmp_path: Path) -> None:
    cfg = tiny_cell(**STUDENT, iters=3)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", teacher=teacher, hooks=[SignalAt(1, signal.SIGTERM)])
    train(tiny_cell("dg", method="lora", run="other", iters=1, seed=1), device="cpu")
    other = find_teacher(tmp_path / "other", progress=False)
    with pytest.raises(CheckpointMismatch, match=r"was started with a teacher whose SHA-256 is .*, and this one has"):
        check_training(cfg, device="cpu", resume=True, teacher=other)


def refusals() -> list[tuple[str, Callable[[Teacher], dict[str, Any]], type[RsAdaptError], str]]:
    def cell(teacher: Teacher, **names: Any) -> dict[str, Any]:
        return {"cell": teacher.manifest.cell.model_copy(update=names)}

    return [
        (
            "da",
            lambda teacher: {"classes": ["a", "b"]},
            CheckpointMismatch,
            "trained on the classes a, b; here they are",
        ),
        (
            "da",
            lambda teacher: {"gsd_m": 1.0},
            CheckpointMismatch,
            r"pixels of 1 m, and those of this bench are 0\.3 m",
        ),
        ("da", lambda teacher: {"gsd_matched": True}, CheckpointMismatch, r"--set strategy\.match_gsd=True"),
        (
            "dg",
            lambda teacher: cell(teacher, setting="da"),
            ConfigError,
            "learnt from images of a target .* leaves out",
        ),
        ("da", lambda teacher: cell(teacher, setting="ss"), ConfigError, "learnt from labels of a target"),
        ("da", lambda teacher: cell(teacher, protocol="paper"), ConfigError, "follows the protocol paper"),
    ]


@pytest.mark.parametrize(("setting", "change", "error", "text"), refusals())
def test_teachers_that_do_not_fit_are_refused_before_anything_is_written(
    tiny_cell,
    teacher: Teacher,
    tmp_path: Path,
    setting: str,
    change: Callable[[Teacher], dict[str, Any]],
    error: type[RsAdaptError],
    text: str,
) -> None:
    with pytest.raises(error, match=text) as caught:
        check_training(tiny_cell(setting, **STUDENT), device="cpu", teacher=changed(teacher, **change(teacher)))
    assert caught.value.exit_code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("setting", ["da", "dg"])
def test_a_teacher_that_has_learnt_the_targets_labels_is_refused(tiny_cell, teacher: Teacher, setting: str) -> None:
    """Of the other direction: its source is the student's target."""
    other = compose(resolve_cell("loveda-dg", direction="u2r", method="lora", backbone="dinov2-nano", head="linear"))
    reverse = dataclasses.replace(teacher, cfg=other)
    with pytest.raises(ConfigError, match="has learnt the labels of urban, which is the target of the new one"):
        check_training(tiny_cell(setting, **STUDENT), device="cpu", resume=False, teacher=reverse)


def test_a_teacher_in_the_folder_of_the_student_is_not_deleted(tiny_cell, teacher: Teacher, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", **STUDENT, run="teacher")
    with pytest.raises(ConfigError, match="lies in the folder of the student"):
        check_training(cfg, device="cpu", teacher=teacher, overwrite=True)
    assert (tmp_path / "teacher" / "adapter.safetensors").is_file()


def test_a_teacher_is_for_distillation_alone(tiny_cell, teacher: Teacher) -> None:
    with pytest.raises(ConfigError, match="strategy source_only does not learn from one. Use --strategy distill"):
        check_training(tiny_cell("dg"), device="cpu", teacher=teacher)
