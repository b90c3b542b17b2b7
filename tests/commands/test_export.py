"""`rs-adapt export`: the pack alone, and a plain backbone that gives what the adapted one gave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import torch

from rs_adapt.commands import main
from rs_adapt.inference.checkpoint import load_model, recompose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Train = Callable[..., tuple[Any, str, str]]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    shown = capsys.readouterr()
    return stop.value.code or 0, shown.out, shown.err


def prediction(folder: Path, **options: Any) -> torch.Tensor:
    model = load_model(recompose(folder, **options), folder, device="cpu")
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model.decode_head(model.extract_feat(image))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "method",
    [
        *("lora", "peft:pissa"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("peft:dora+lora", "peft:mica", "soma")),
    ],
)
def test_merged_backbone_gives_the_same_output(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    code, _, err = train("--method", method, "--set", "optim.lr=0.02", bench="loveda-dg")
    assert code == 0, err
    code, out, err = call(capsys, "export", str(tmp_path / "run"), "--merge", "--out", str(tmp_path / "merged"))
    assert code == 0, err
    assert "backbone.safetensors" in out
    files = {path.name for path in (tmp_path / "merged").iterdir()}
    assert files == {"backbone.safetensors", "adapter.safetensors", "manifest.json"}
    manifest = json.loads((tmp_path / "merged" / "manifest.json").read_text())
    assert (manifest["cell"]["method"], manifest["merged"]["method"]) == ("frozen", method)
    assert 0 < manifest["merged"]["largest_difference"] < 1e-5
    assert f"differ by at most {manifest['merged']['largest_difference']:.1e}" in out
    trained = prediction(tmp_path / "run")
    merged = prediction(tmp_path / "merged", weights=str(tmp_path / "merged" / "backbone.safetensors"))
    torch.testing.assert_close(merged, trained, atol=1e-4, rtol=1e-4)
    # The head alone, on the base as it was, gives something else: the pack refuses it.
    code, _, err = call(capsys, "eval", "--checkpoint", str(tmp_path / "merged"), "--device", "cpu")
    assert code == 2
    assert "belongs to the base" in err


def test_a_merge_that_changes_features_is_refused_and_nothing_is_written(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("--method", "bitfit", "--set", "optim.lr=0.02", bench="loveda-dg")[0] == 0
    monkeypatch.setattr("rs_adapt.adapters.bitfit.BitFit.fold", lambda self, base, change: None)
    code, _, err = call(capsys, "export", str(tmp_path / "run"), "--merge", "--out", str(tmp_path / "merged"))
    assert code == 2
    assert "of the largest feature" in err
    assert "nothing is written" in err
    assert [path.name for path in tmp_path.iterdir() if "merged" in path.name] == []


def test_unmergeable_methods_are_refused_and_nothing_is_written(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--method", "adaptformer", bench="loveda-dg")[0] == 0
    code, _, err = call(capsys, "export", str(tmp_path / "run"), "--merge", "--out", str(tmp_path / "merged"))
    assert code == 2
    assert "AdaptFormer cannot be merged" in err
    assert "activation" in err
    assert [path.name for path in tmp_path.iterdir() if "merged" in path.name] == []


def test_pack_is_copied_and_evaluates_by_itself(
    train: Train, tmp_path: Path, loveda_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--method", "frozen", bench="loveda-dg")[0] == 0
    run, pack = str(tmp_path / "run"), tmp_path / "pack"
    code, _, err = call(capsys, "export", run, "--merge", "--out", str(pack))
    assert code == 2
    assert "nothing to merge" in err
    assert call(capsys, "export", run, "--out", str(pack))[0] == 0
    code, _, err = call(capsys, "export", run, "--out", str(pack))
    assert code == 2
    assert "--overwrite" in err
    assert call(capsys, "export", run, "--out", str(pack), "--overwrite")[0] == 0
    code, out, err = call(capsys, "eval", "--checkpoint", str(pack), "--data-root", str(loveda_root), "--device", "cpu")
    assert code == 0, err
    assert "mIoU" in out


def test_a_missing_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "export", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "nowhere does not exist" in err
