"""The setting ov on the command line: a tiny CLIP with H-CLIP in both towers, trained, resumed, scored, and maps."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import torch
from clip_files import PATCH_PX, SPACE, VISION_WIDTH, save_clip, tiny_clip
from safetensors.torch import load_file

import rs_adapt as rsa
from rs_adapt.commands import main
from rs_adapt.runs.run import Run
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

BENCH = "loveda-ov"
DEPTH = 4
CLIP = (
    *("--backbone", "clip-b-16", "--head", "cost-small", "--method", "hclip-both"),
    *("--set", f"model.backbone.embed_dim={VISION_WIDTH}", "--set", f"model.backbone.depth={DEPTH}"),
    *("--set", "model.backbone.num_heads=2", "--set", f"model.backbone.patch_px={PATCH_PX}"),
    *("--set", f"model.decode_head.text_dim={SPACE}", "--set", "model.backbone.adapter.text_embed_dim=64"),
    *("--set", "model.backbone.adapter.text_depth=2", "--set", "model.decode_head.channels=8"),
    *("--set", "method.paramwise.adapter_lr_mult=1.0", "--set", "bench.schedule.eval_every=1"),
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import clip_files

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_files, "VISION_DEPTH", DEPTH)
        return save_clip(tmp_path_factory.mktemp("weights") / "clip.pt", tiny_clip(), "state_dict")


@pytest.fixture
def trained(store: Path, file: Path, loveda_root: Path, small: tuple[str, ...], capsys) -> Path:
    """Return a run of the setting, trained once."""
    if not (store / "open_vocabulary").exists():
        places = ("--data-root", str(loveda_root), "--work-dir", str(store / "open_vocabulary"), "--weights", str(file))
        with pytest.raises(SystemExit) as stop:
            main(["train", "--bench", BENCH, *small, *places, *CLIP])
        shown = capsys.readouterr()
        assert not stop.value.code, shown.err
        assert "hIoU" in shown.out
        # The lines of the training, too.
        assert "iterations" in shown.err
        assert "mIoU" not in shown.err
    return store / "open_vocabulary"


def test_a_run_says_everywhere_what_its_score_is(
    trained: Path, loveda_root: Path, run_verb: Verb, tmp_path: Path
) -> None:
    run = Run.read(trained)
    result = run.result
    assert result is not None
    assert result.open_vocabulary is not None
    seen, unseen = result.open_vocabulary.seen, result.open_vocabulary.unseen
    assert unseen.classes == ["water", "barren"]
    assert seen.miou_pct is not None
    assert unseen.miou_pct is not None
    total = seen.miou_pct + unseen.miou_pct
    assert result.miou_pct == pytest.approx(2 * seen.miou_pct * unseen.miou_pct / total if total else 0, abs=2e-3)
    assert result.interval is not None
    assert f"hIoU {result.miou_pct:.2f} %" in repr(run)
    code, out, err = run_verb("eval", trained, "--data-root", loveda_root, "--device", "cpu")
    assert code == 0, err
    assert "Agrees with the stored result: hIoU" in " ".join((out + err).split())
    assert "hIoU is the harmonic mean of the two" in " ".join(out.split())
    assert f"classes. hIoU {result.miou_pct:.2f}" in " ".join(out.split())
    for verb in (("score", trained), ("compare", trained, trained)):
        code, out, err = run_verb(*verb)
        assert code == 0, err
        assert "hIoU" in out
        assert "mIoU" not in out
    code, out, err = run_verb("score", trained, "--classes", "all")
    assert "mIoU" in out
    code, _, err = run_verb("report", trained, "--out", tmp_path / "report")
    assert code == 0, err
    page = (tmp_path / "report" / "report.md").read_text()
    assert "harmonic mean of seen (background, building, road, forest, agricultural) and unseen (water, barren)" in page
    (row,) = csv.DictReader(io.StringIO((tmp_path / "report" / "results.csv").read_text()))
    assert float(row["miou_pct"]) == result.miou_pct
    assert float(row["miou_pct.low"]) <= result.miou_pct <= float(row["miou_pct.high"])
    code, out, err = run_verb("verify", trained)
    assert code == 0, out + err
    code, out, err = run_verb("lint", trained)
    assert code == 0, out + err


def test_the_text_tower_has_moved_and_the_pack_holds_what_it_gives(trained: Path, file: Path) -> None:
    from rs_adapt.language import TextTower
    from rs_adapt.language.prompts import embed_classes

    tensors = load_file(trained / "adapter.safetensors")
    manifest = json.loads((trained / "manifest.json").read_text())
    templates = rsa.compose(rsa.resolve(BENCH, head="cost"), weights="random").model.decode_head.templates
    before = embed_classes(TextTower.from_file(file), manifest["classes"], templates)
    assert not torch.allclose(tensors["decode_head.text_KC"], before, atol=1e-4)
    assert not any("text_tower" in name for name in tensors)


def test_an_interrupted_run_resumes_exactly(
    trained: Path, file: Path, train: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rs_adapt.engine.recorder import Recorder

    after = Recorder.after_train_iter

    def stop(self: Recorder, runner: Any, batch_idx: int, *more: Any, **named: Any) -> None:
        after(self, runner, batch_idx, *more, **named)
        if runner.iter == 0:
            raise KeyboardInterrupt

    arguments = (*CLIP, "--weights", str(file))
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "after_train_iter", stop)
        assert train(*arguments, bench=BENCH)[0] != 0
    code, _, err = train(*arguments, "--resume", bench=BENCH)
    assert code == 0, err
    whole, resumed = (load_file(run / "adapter.safetensors") for run in (trained, tmp_path / "run"))
    assert resumed.keys() == whole.keys()
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (70, 100, 3), dtype=np.uint8)
    write_geotiff(path, pixels, crs="EPSG:32632", transform=(0.3, 0.0, 400000.0, 0.0, -0.3, 5500000.0))
    return path


def test_a_map_of_words(trained: Path, scene: Path, run_verb: Verb, tmp_path: Path) -> None:
    options = ("--checkpoint", trained, "--device", "cpu", "-o")
    code, _, err = run_verb("predict", scene, *options, tmp_path / "words.tif", "--classes", "solar panel, road,pond")
    assert code == 0, err
    with rasterio.open(tmp_path / "words.tif") as made:
        assert set(np.unique(made.read(1))) <= {0, 1, 2}
        text = json.dumps({**made.tags(), **made.tags(1)})
        colours = made.colormap(1)
    assert all(word in text for word in ("solar panel", "road", "pond"))
    # The colour of a class of the training is that of the training.
    assert colours[1][:3] == (255, 255, 0)
    assert len({colours[number] for number in range(3)}) == 3
    # The classes of the training, as words, give the map of the training.
    names = json.loads((trained / "manifest.json").read_text())["classes"]
    for name, more in (("own.tif", ()), ("again.tif", ("--classes", ",".join(names)))):
        assert run_verb("predict", scene, *options, tmp_path / name, *more)[0] == 0
    with rasterio.open(tmp_path / "own.tif") as own, rasterio.open(tmp_path / "again.tif") as again:
        assert np.array_equal(own.read(1), again.read(1))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "names no class"),
        ("road,Road", "holds a name twice"),
        ("|", "Give words to read"),
    ],
)
def test_words_that_cannot_be_read_are_refused(
    words: str, told: str, trained: Path, scene: Path, run_verb: Verb, tmp_path: Path
) -> None:
    options = ("--checkpoint", trained, "--device", "cpu", "-o", tmp_path / "map.tif")
    code, _, err = run_verb("predict", scene, *options, "--classes", words)
    assert code == 2, err
    assert told in err
    assert not (tmp_path / "map.tif").exists()


def test_words_for_a_head_with_fixed_classes_and_of_another_tower_are_refused(
    trained: Path, scene: Path, run_verb: Verb, tmp_path: Path
) -> None:
    stored = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
    options = ("--device", "cpu", "-o", tmp_path / "map.tif", "--classes", "pond")
    code, _, err = run_verb("predict", scene, "--checkpoint", stored, *options)
    assert code == 2
    assert "--classes gives a model new classes by their words" in err
    code, _, err = run_verb("predict", scene, "--checkpoint", trained, *options, "--evaluate", scene)
    assert code == 2
    assert "Leave one out" in err
    # Its vectors are not those of the tower any more.
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    from safetensors.torch import save_file

    from rs_adapt.files import file_sha256

    tensors = load_file(copy / "adapter.safetensors")
    tensors["decode_head.text_KC"] = tensors["decode_head.text_KC"].flip(0).contiguous()
    save_file(tensors, copy / "adapter.safetensors")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["tensors"]["sha256"] = file_sha256(copy / "adapter.safetensors")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, _, err = run_verb("predict", scene, "--checkpoint", copy, *options)
    assert code != 0
    assert "is not the one that" in err


def test_names_that_clip_cannot_read_whole_are_refused_before_the_run(file: Path, train: Verb, tmp_path: Path) -> None:
    long = " ".join(["gravel"] * 100)
    more = ("--weights", str(file), "--set", f"model.decode_head.text_names.road={long}")
    code, _, err = train(*CLIP, *more, bench=BENCH)
    assert code == 2
    assert "longer than the 77 tokens" in err
    assert not (tmp_path / "run").exists()
    depth = ("--set", "model.backbone.adapter.text_depth=3")
    code, _, err = train(*CLIP, "--weights", str(file), *depth, bench=BENCH)
    assert code == 2
    assert "its text tower has depth 2, but the method was built for 3" in err
    assert not (tmp_path / "run").exists()


def test_plans_and_dry_runs_know_the_setting(file: Path, train: Verb, run_verb: Verb, tmp_path: Path) -> None:
    code, out, err = train(*CLIP, "--weights", str(file), "--dry-run", bench=BENCH)
    assert code == 0, err
    code, out, err = run_verb("show", "--bench", BENCH, *CLIP, "--weights", file)
    assert code == 0, err
    assert "unseen=['water', 'barren']" in out
    code, out, _ = run_verb("list", "benches")
    assert "ov" in out
