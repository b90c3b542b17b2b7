"""`rs-adapt train --strategy distill --teacher RUN`, then `export --format onnx` and a map with the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.exchange import onnx_model
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.scenes import Scene, write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

# The smallest of each family.
STUDENTS = {
    "convnext-nano": (),
    "mit-b0": ("--weights", "random"),
    "mobilevit-s": ("--weights", "random"),
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--strategy", "distill"), "learns from a trained run: name a run or pack with --teacher"),
        (("--strategy", "dacs", "--teacher", "x"), "strategy dacs does not learn from one. Use --strategy distill"),
        (("--strategy", "distill", "--teacher", "nowhere"), "nowhere does not exist, so it holds no adapter pack"),
        (("--strategy", "distill", "--teacher", "x", "--method", "lora"), "does not work with backbone convnext_nano"),
    ],
    ids=["no teacher", "no student", "no such run", "no ViT"],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    run_verb: Verb, tmp_path: Path, options: tuple[str, ...], expected: str
) -> None:
    place = ("--work-dir", tmp_path / "run")
    code, out, err = run_verb("train", "--bench", "synthetic-da", "--backbone", "convnext-nano", *place, *options)
    assert (code, out) == (2, "")
    assert expected in " ".join(err.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("backbone", STUDENTS)
def test_a_student_is_exported_and_makes_the_map_of_its_run(
    train: Verb, run_verb: Verb, tmp_path: Path, backbone: str
) -> None:
    assert train("--method", "lora", "--work-dir", str(tmp_path / "teacher"), bench="loveda-dg")[0] == 0
    teacher = ("--strategy", "distill", "--teacher", str(tmp_path / "teacher"))
    code, out, err = train("--backbone", backbone, *STUDENTS[backbone], *teacher, "--json")
    assert code == 0, err
    assert json.loads(out)["teacher"]["cell"]["method"] == "lora"
    run, onnx = tmp_path / "run", tmp_path / "out" / "model.onnx"
    assert run_verb("verify", run)[0] == 0
    assert run_verb("lint", run)[0] == 0
    code, _, err = run_verb("export", run, "--format", "onnx", "--out", onnx.parent)
    assert code == 0, err
    pixels_NHW3 = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    given = onnx_model.run_onnx(
        onnx_model.open_onnx(onnx), (pixels_NHW3.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    )
    predictor = Predictor.load(recompose(run), run, device="cpu")
    assert abs(given - predictor.predict_tiles(pixels_NHW3)).max() < onnx_model.TOLERANCE
    place = (0.3, 0.0, 400000.0, 0.0, -0.3, 5500000.0)
    scene_HW3 = np.random.default_rng(1).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    write_geotiff(tmp_path / "scene.tif", scene_HW3, crs="EPSG:32632", transform=place)
    maps = []
    for name, checkpoint in (("of_run", run), ("of_onnx", onnx)):
        to = ("-o", tmp_path / f"{name}.tif", "--device", "cpu")
        code, _, err = run_verb("predict", tmp_path / "scene.tif", "--checkpoint", checkpoint, *to)
        assert code == 0, err
        with Scene(tmp_path / f"{name}.tif") as made:
            maps.append(made.read_classes()[0])
    assert np.array_equal(*maps)
