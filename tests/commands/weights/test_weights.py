from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from rs_adapt.commands import main

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    return int(stopped.value.code or 0)


@pytest.mark.slow
def test_built_weights_are_named_and_train(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rs_adapt import pretraining

    monkeypatch.setattr(pretraining, "NANO", dataclasses.replace(pretraining.NANO, num_scenes=2, batch_size=2))
    file = tmp_path / "nano.safetensors"
    assert run("weights", "build", "nano", "--steps", "1", "--out", str(file)) == 0
    printed = capsys.readouterr()
    assert "2 758 080 parameters" in printed.out
    assert "not the shipped weights" in printed.out
    assert "drawing scenes: 2" in printed.err
    assert run("train", "--bench", "synthetic-da", "--weights", str(file), "--dry-run") == 0
    # A file that is there is not touched, and not after minutes of training.
    before = file.read_bytes()
    assert run("weights", "build", "nano", "--out", str(file)) == 2
    assert "exists. Choose a different file with --out, or add --overwrite" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_nano_clip_is_built_and_resumes_from_its_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rs_adapt.pretraining import nano_clip

    quick = dataclasses.replace(nano_clip.NANO_CLIP, num_scenes=2, scene_px=96, batch_size=4)
    monkeypatch.setattr(nano_clip, "NANO_CLIP", quick)
    monkeypatch.chdir(tmp_path)
    assert run("weights", "build", "nano-clip", "--steps", "1") == 0
    printed = capsys.readouterr()
    assert "nano_clip.safetensors: 2 719 296 parameters, 7 187" in printed.out
    assert "not the shipped weights" in printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["nano_clip.safetensors"]
    text = ("--backbone", "nano-clip", "--head", "text", "--weights", "nano_clip.safetensors")
    assert run("train", "--bench", "synthetic-dg", *text, "--dry-run") == 0
    (tmp_path / "nano_clip.safetensors.state").write_bytes(b"no state")
    assert run("weights", "build", "nano-clip", "--steps", "1", "--overwrite") == 2
    assert "nano_clip.safetensors.state cannot be read as the state of a training" in capsys.readouterr().err


def test_unknown_build_names_the_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("weights", "build", "nanno") == 2
    told = capsys.readouterr().err
    assert "There is no build of weights 'nanno'. Did you mean nano" in told
    assert "Known: nano, nano-clip." in told
