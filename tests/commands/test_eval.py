"""`rs-adapt eval` as its users meet it: what it needs, what it writes, and what it refuses to load."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from rs_adapt.backbones import load_state
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.commands import main
from rs_adapt.config import paths
from rs_adapt.render.confusion_plot import read_confusion_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

SCORES = ("miou_pct", "aacc_pct", "macc_pct", "iou_pct", "acc_pct")
Eval = Callable[..., tuple[Any, str, str]] if TYPE_CHECKING else Any


def scores(folder: Path) -> dict[str, Any]:
    result = json.loads((folder / "result.json").read_text())
    return {name: result[name] for name in SCORES}


def change_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.usefixtures("drawn")
def test_a_run_folder_alone_scores_as_the_run_itself_did(
    evaluate: Eval, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = evaluate("--overlays", "2")
    assert (code, err) == (0, "scoring: 2\n")
    folder = run / "eval" / "loveda_r2u-test"
    assert scores(folder) == scores(run)
    assert (folder / "confusion.csv").read_bytes() == (run / "confusion.csv").read_bytes()
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        *("confusion.csv", "confusion.png", "confusions.npz", "overlays/0.png", "overlays/1.png", "result.json")
    ]
    for picture in ("confusion.png", "overlays/0.png"):
        with Image.open(folder / picture) as image:
            assert len(image.convert("RGB").getcolors(2**24)) > 10
    result = json.loads((folder / "result.json").read_text())
    assert result["pack_sha256"] == json.loads((run / "manifest.json").read_text())["tensors"]["sha256"]
    assert result["protocol"]["report_split"] == "urban val"
    lines = out.splitlines()
    assert lines[0] == "loveda-r2u (test) / earth-adapter / dinov2-nano"
    assert lines[-1] == "Files: run/eval/loveda_r2u-test"
    agreed = re.compile(r"Agrees with the stored result: mIoU [0-9.]+, and the same counts in every tile\.")
    assert any(agreed.fullmatch(line) for line in lines)
    assert f"{result['miou_pct']:.2f}" in next(line for line in lines if "mIoU / mAcc" in line)


def test_the_matrix_counts_every_labelled_pixel(evaluate: Eval, run: Path, store: Path) -> None:
    evaluate("--split", "val", "--out", str(run / "here"))
    matrix, classes = read_confusion_csv(run / "here" / "confusion.csv")
    labels = np.stack(
        [np.asarray(Image.open(path)) for path in (store / "data/loveda/urban/val/ann_dir").glob("*.png")]
    )
    assert classes[0] == "background"
    assert matrix.sum(axis=1).tolist() == np.bincount(labels.ravel(), minlength=8)[1:].tolist()


def test_a_different_direction_changes_the_tiles_and_not_the_model(evaluate: Eval, run: Path) -> None:
    # Rank and layers of the adapter are tuned per direction: the pack fits only the model that it was trained as.
    code, out, _ = evaluate("--bench", "loveda-da", "--direction", "u2r", "--out", str(run / "other"))
    assert code == 0
    assert "scored on rural val" in out
    assert evaluate("--split", "source-val", "--out", str(run / "source"))[0] == 0
    assert (run / "other/confusion.csv").read_bytes() == (run / "source/confusion.csv").read_bytes()
    assert (run / "other/confusion.csv").read_bytes() != (run / "confusion.csv").read_bytes()
    result = json.loads((run / "other" / "result.json").read_text())
    assert (result["cell"]["bench"], result["trained_on"]["bench"]) == ("loveda_u2r", "loveda_r2u")


def test_the_setting_of_the_bench_does_not_matter(evaluate: Eval, run: Path) -> None:
    assert evaluate("--bench", "loveda-dg", "--out", str(run / "dg"))[0] == 0
    assert scores(run / "dg") == scores(run)


def test_overrides_that_name_tiles_are_dropped_on_a_different_bench(evaluate: Eval, run: Path) -> None:
    text = "bench.target.val.img_dir='nowhere'"
    change_manifest(run, lambda manifest: manifest["overrides"].append(text))
    code, _, err = evaluate()
    assert code == 2
    assert "nowhere does not exist" in err
    assert evaluate("--bench", "loveda-da", "--direction", "u2r")[0] == 0


def test_precision_can_be_changed(evaluate: Eval, run: Path) -> None:
    change_manifest(run, lambda manifest: manifest["overrides"].append("runtime.precision=bf16"))
    assert evaluate("--precision", "fp32", "--out", str(run / "fp32"))[0] == 0
    assert (run / "fp32/confusion.csv").read_bytes() == (run / "confusion.csv").read_bytes()
    assert evaluate("--out", str(run / "bf16"))[0] == 0
    assert (run / "bf16/confusion.csv").read_bytes() != (run / "confusion.csv").read_bytes()


def test_a_pack_copied_alone_evaluates(evaluate: Eval, run: Path, loveda_root: Path, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    for name in ("adapter.safetensors", "manifest.json"):
        shutil.copy(run / name, tmp_path / "pack")
    code, _, err = evaluate(checkpoint=tmp_path / "pack")
    assert code == 2
    assert "does not exist" in err
    assert "--data-root" in err
    for checkpoint in (tmp_path / "pack", tmp_path / "pack" / "adapter.safetensors"):
        assert evaluate("--data-root", str(loveda_root), checkpoint=checkpoint)[0] == 0
        assert scores(tmp_path / "pack" / "eval" / "loveda_r2u-test") == scores(run)


def test_a_bench_with_other_classes_is_refused(evaluate: Eval, run: Path) -> None:
    code, out, err = evaluate("--bench", "isprs-da")
    assert (code, out) == (2, "")
    assert re.match(
        r"error: The pack .*/run was trained on the classes background, .*; here they are impervious_surface, ", err
    )
    assert not (run / "eval").exists()


def nano_tensors() -> dict[str, Tensor]:
    """Give the base of dinov2-nano that comes with the package."""
    return load_state(paths.shipped_weights_dir() / "dinov2_nano.safetensors", DINOV2)


def test_a_different_base_is_refused(evaluate: Eval, run: Path, tmp_path: Path) -> None:
    own = nano_tensors()
    for folder, state in (("same", own), ("other", own | {"embeddings.cls_token": own["embeddings.cls_token"] + 1})):
        (tmp_path / folder).mkdir()
        save_file(state, tmp_path / folder / "model.safetensors")
    code, out, err = evaluate("--weights", str(tmp_path / "other"))
    assert (code, out) == (2, "")
    assert re.match(r"error: The pack .* belongs to the base dinov2_nano with SHA-256 \w{16}\.\.\., .*--weights", err)
    assert not (run / "eval").exists()
    # Equal tensors are the same base, wherever they come from.
    assert evaluate("--weights", str(tmp_path / "same"))[0] == 0
    assert scores(run / "eval" / "loveda_r2u-test") == scores(run)


def test_weights_of_the_run_are_found_from_a_different_folder(
    evaluate: Eval, small, loveda_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    save_file({name: value + 0.01 for name, value in nano_tensors().items()}, tmp_path / "w.safetensors")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(
            [
                *("train", "--bench", "loveda-da", *small, "--weights", "w.safetensors"),
                *("--data-root", str(loveda_root), "--work-dir", "own"),
            ]
        )
    assert not stop.value.code
    capsys.readouterr()
    monkeypatch.chdir(loveda_root)
    assert evaluate(checkpoint=tmp_path / "own")[0] == 0
    assert scores(tmp_path / "own" / "eval" / "loveda_r2u-test") == scores(tmp_path / "own")


def test_a_damaged_pack_is_refused(evaluate: Eval, run: Path) -> None:
    content = bytearray((run / "adapter.safetensors").read_bytes())
    content[-1] ^= 1
    (run / "adapter.safetensors").write_bytes(content)
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    assert re.match(r"error: .*/run/adapter\.safetensors is damaged: its SHA-256 is not the manifest's\.", err)
    assert not (run / "eval").exists()


def test_keys_that_only_training_reads_are_not_checked(evaluate: Eval, run: Path) -> None:
    text = "optim_wrapper.optimizer.type=NoSuchOptimizer"
    change_manifest(run, lambda manifest: manifest["overrides"].append(text))
    assert evaluate()[0] == 0


@pytest.mark.parametrize("key", ["cell", "overrides", "base", "classes", "tensors", "format"])
def test_a_manifest_without_an_entry_is_damaged(evaluate: Eval, run: Path, key: str) -> None:
    change_manifest(run, lambda manifest: manifest.pop(key))
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    assert re.match(rf"error: .*manifest\.json: {key} is missing.*Copy the pack again", err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--direction", "u2r"), "The direction u2r needs a bench too, such as --bench loveda-da --direction u2r"),
        (("--bench", "lovda-da"), "Did you mean loveda-da"),
        (("--precision", "fp16"), "Allowed: fp32 or bf16"),
        (("--overlays", "-1"), "Invalid value for '--overlays'"),
        (("--split", "train"), "Invalid value for '--split'"),
        (("--data-root", "no/where"), "There is no folder no/where. Name the folder of the data sets with --data-root"),
    ],
)
def test_wrong_usage_is_explained(evaluate: Eval, run: Path, arguments: tuple[str], message: str) -> None:
    code, out, err = evaluate(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (run / "eval").exists()


def test_missing_and_unfinished_checkpoints_have_different_errors(evaluate: Eval, run: Path, tmp_path: Path) -> None:
    code, _, err = evaluate(checkpoint=tmp_path / "nope")
    assert code == 2
    assert "nope does not exist" in err
    (run / "manifest.json").unlink()
    code, _, err = evaluate()
    assert code == 2
    assert re.match(r"error: .*/run holds no adapter pack: manifest\.json is missing\. The run is not finished", err)


def test_a_folder_that_cannot_be_written_to_is_named(evaluate: Eval, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, out, err = evaluate("--out", str(tmp_path / "notes.txt"))
    assert (code, out) == (2, "")
    assert re.search(r"^error: Cannot write to .*notes\.txt: .*--out", err, re.MULTILINE)


def test_bad_labels_are_named_before_anything_is_written(evaluate: Eval, run: Path, loveda_root: Path) -> None:
    label = loveda_root / "loveda/urban/val/ann_dir/1.png"
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(label)
    code, out, err = evaluate("--data-root", str(loveda_root))
    assert (code, out) == (2, "")
    assert re.search(rf"^error: .*label value 77 \(4096 pixels\) in {re.escape(str(label))}", err, re.MULTILINE)
    assert not (run / "eval").exists()
