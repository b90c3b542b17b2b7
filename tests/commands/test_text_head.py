"""The head `text` on the command line: a tiny CLIP in OpenAI's names, trained, resumed, scored, mapped and exported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import torch
from clip_files import PATCH_PX, SPACE, VISION_DEPTH, VISION_WIDTH, save_clip, tiny_clip
from safetensors.torch import load_file

from rs_adapt.commands import main
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

CLIP = (
    *("--backbone", "clip-b-16", "--head", "text", "--method", "lora"),
    *("--set", f"model.backbone.embed_dim={VISION_WIDTH}", "--set", f"model.backbone.depth={VISION_DEPTH}"),
    *("--set", "model.backbone.num_heads=2", "--set", f"model.backbone.patch_px={PATCH_PX}"),
    *("--set", f"model.decode_head.text_dim={SPACE}"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the whole CLIP as an archive, a file for texts alone, and one without texts."""
    folder, model = tmp_path_factory.mktemp("weights"), tiny_clip()
    save_clip(folder / "clip.pt", model, "archive")
    save_clip(folder / "texts.pt", model, "module")
    vision = {n: t for n, t in torch.jit.load(folder / "clip.pt").state_dict().items() if n.startswith("visual.")}
    torch.save(vision, folder / "vision.pt")
    return folder


@pytest.fixture
def trained(files: Path, loveda_root: Path, small: tuple[str, ...], capsys) -> Path:
    """Return the run of an adaptation, trained once, whose texts came from a file of their own, which is gone."""
    if not (files / "run").exists():
        (files / "own").mkdir()
        shutil.copy(files / "texts.pt", files / "own")
        places = (
            "--data-root",
            str(loveda_root),
            "--work-dir",
            str(files / "run"),
            "--weights",
            str(files / "clip.pt"),
        )
        with pytest.raises(SystemExit) as stop:
            main(
                [
                    *("train", "--bench", "loveda-da", *small, *places, *CLIP),
                    *("--set", f"model.decode_head.text_weights={files / 'own/texts.pt'}"),
                    *(
                        "--set",
                        "model.decode_head.text_names.barren=bare soil|sand",
                        "--set",
                        "strategy.warmup_iters=0",
                    ),
                ]
            )
        assert not stop.value.code, capsys.readouterr().err
        (files / "own" / "texts.pt").unlink()
    return files / "run"


def test_a_trained_run_is_scored_mapped_and_exported_without_text_weights(
    trained: Path, loveda_root: Path, run_verb: Verb, tmp_path: Path
) -> None:
    tensors = load_file(trained / "adapter.safetensors")
    assert tensors["decode_head.text_KC"].shape == (7, SPACE)
    torch.testing.assert_close(tensors["decode_head.text_KC"].norm(dim=1), torch.ones(7))
    assert tensors["decode_head.learned_MC"].shape == (1, SPACE)
    stated = json.loads((trained / "manifest.json").read_text())["overrides"]
    assert "model.decode_head.text_weights=texts.pt" in stated
    code, out, err = run_verb("verify", trained)
    assert code == 0, out + err
    code, out, err = run_verb("eval", trained, "--data-root", loveda_root, "--device", "cpu")
    assert code == 0, err
    assert "mIoU" in out
    scene = tmp_path / "scene.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)
    write_geotiff(scene, pixels, crs="EPSG:32632", transform=(0.3, 0.0, 400000.0, 0.0, -0.3, 5500000.0))
    code, _, err = run_verb("predict", scene, "--checkpoint", trained, "-o", tmp_path / "map.tif", "--device", "cpu")
    assert code == 0, err
    with rasterio.open(tmp_path / "map.tif") as made:
        assert (made.height, made.width) == (70, 100)
    code, _, err = run_verb("export", trained, "--format", "safetensors", "--out", tmp_path / "out", "--merge")
    assert code == 0, err
    (exported,) = (tmp_path / "out").glob("*.safetensors")
    assert "decode_head.text_KC" in load_file(exported)


def test_onnxruntime_gives_its_probabilities(trained: Path, run_verb: Verb, tmp_path: Path) -> None:
    code, out, err = run_verb("export", trained, "--format", "onnx", "--out", tmp_path / "out")
    assert code == 0, err
    assert "onnxruntime and torch differ by at most" in out


def test_a_student_learns_its_probabilities(trained: Path, train: Verb) -> None:
    given = ("--strategy", "distill", "--teacher", str(trained), "--method", "full")
    code, _, err = train(*given)
    assert code == 2
    assert "it has 1 feature maps and the student 4" in err
    code, _, err = train(*given, "--set", "strategy.feature_iters=0")
    assert code == 0, err


def test_it_adapts_without_the_source(trained: Path, files: Path, train: Verb, tmp_path: Path) -> None:
    weights = ("--weights", str(files / "clip.pt"))
    code, _, err = train(*CLIP, *weights, "--strategy", "source-free", "--from", str(trained))
    assert code == 0, err
    # The texts of the run that it starts from, whose words were others.
    texts = [load_file(run / "adapter.safetensors")["decode_head.text_KC"] for run in (trained, tmp_path / "run")]
    assert torch.equal(*texts)


def test_an_interrupted_run_resumes_exactly(
    files: Path, train: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rs_adapt.engine.recorder import Recorder

    arguments = (*CLIP, "--weights", str(files / "clip.pt"), "--set", "bench.schedule.eval_every=1")
    assert train(*arguments, bench="loveda-dg")[0] == 0
    whole = load_file(tmp_path / "run" / "adapter.safetensors")
    shutil.rmtree(tmp_path / "run")
    after = Recorder.after_train_iter

    def stop(self: Recorder, runner: Any, batch_idx: int, *more: Any, **named: Any) -> None:
        after(self, runner, batch_idx, *more, **named)
        if runner.iter == 0:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "after_train_iter", stop)
        assert train(*arguments, bench="loveda-dg")[0] != 0
    code, _, err = train(*arguments, "--resume", bench="loveda-dg")
    assert code == 0, err
    resumed = load_file(tmp_path / "run" / "adapter.safetensors")
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_missing_text_weights_say_what_to_fetch(train: Verb) -> None:
    code, _, err = train("--head", "text", bench="loveda-dg")
    assert code == 2
    assert "rs-adapt weights fetch clip-b-16" in err
    code, _, err = train("--head", "text", "--set", "model.decode_head.text_weights=nothing.pt", bench="loveda-dg")
    assert code == 2
    assert "nothing.pt does not exist" in err


def test_files_without_texts_and_of_other_sizes_are_refused(files: Path, train: Verb, tmp_path: Path) -> None:
    code, _, err = train(*CLIP, "--weights", str(files / "vision.pt"), bench="loveda-dg")
    assert code == 2
    assert "holds a visual tower alone and no text tower" in err
    texts = ("--set", f"model.decode_head.text_weights={files / 'texts.pt'}")
    code, _, err = train("--head", "text", *texts, bench="loveda-dg")
    assert code == 2
    assert "Use --set model.decode_head.text_dim=16" in err
    assert not (tmp_path / "run").exists()


def test_a_wording_beyond_clips_context_is_reported(files: Path, train: Verb) -> None:
    long = " ".join(["gravel"] * 100)
    code, out, err = train(
        *("--head", "text", "--set", f"model.decode_head.text_weights={files / 'texts.pt'}"),
        *("--set", f"model.decode_head.text_dim={SPACE}", "--set", f"model.decode_head.text_names.road={long}"),
        "--dry-run",
        bench="loveda-dg",
    )
    assert code == 0, err
    assert "6 of 6 prompts are longer than the 77 tokens that CLIP reads" in " ".join((out + err).split())
