"""`rs-adapt predict --checkpoint model.onnx`: maps of onnxruntime, and what an ONNX model cannot be used for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from onnx_models import RUN, probabilities, seal, write_graph, write_model

import rs_adapt as rsa
from rs_adapt.inference import onnx_session
from rs_adapt.prediction.strips import is_store_of, strips_folder
from rs_adapt.scenes import write_geotiff

PLACE = (0.7, 0.0, 400000.0, 0.0, -0.7, 5500000.0)
Verb = Callable[..., tuple[Any, str, str]]


def image(height_px: int = 150, width_px: int = 200) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (height_px, width_px, 3), dtype=np.uint8)


def write_scene(path: Path) -> Path:
    write_geotiff(path, image(), crs="EPSG:32632", transform=PLACE)
    return path


def test_a_map_has_the_classes_of_the_model(tmp_path: Path, run_verb: Verb) -> None:
    scene, out = write_scene(tmp_path / "scene.tif"), tmp_path / "maps" / "map.tif"
    model = write_model(tmp_path / "m.onnx")
    labels_HW = probabilities(image()[None])[0].argmax(0).astype(np.uint8)
    write_geotiff(tmp_path / "labels.tif", labels_HW, crs="EPSG:32632", transform=PLACE)
    options = (
        "--probabilities",
        "--float",
        "--vector",
        "geojson",
        "--tta",
        "d4",
        "--evaluate",
        tmp_path / "labels.tif",
    )
    code, printed, errors = run_verb("predict", scene, "--checkpoint", model, "-o", out, *options, "--json")
    assert code == 0, errors
    (record,) = json.loads(printed)
    assert record["tiles"] >= 4
    assert record["scores"]["miou_pct"] == 100
    assert record["remarks"] == []
    assert out.with_suffix(".geojson").exists()
    with rasterio.open(out) as dataset:
        assert np.array_equal(dataset.read(1), labels_HW)
        assert json.loads(dataset.tags()["class_names"])[1] == "building"
        assert dataset.colormap(1)[1] == (220, 40, 40, 255)
    with rasterio.open(out.with_name("map_probabilities_float.tif")) as dataset:
        np.testing.assert_allclose(dataset.read(), probabilities(image()[None])[0], atol=1e-5)
    assert not strips_folder(out).exists()


def test_strips_belong_to_the_content_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[dict[str, object]] = []
    monkeypatch.setattr(
        "rs_adapt.prediction.predict.is_store_of", lambda folder, job: jobs.append(job) or is_store_of(folder, job)
    )
    scene = write_scene(tmp_path / "scene.tif")
    for name, classes in (("a", "abcdef"), ("b", "abcdef"), ("c", "ghijkl")):
        (tmp_path / name).mkdir()
        model = write_model(tmp_path / name / "m.onnx", classes=list(classes))
        (record,) = rsa.predict(model, scene, tmp_path / f"{name}.tif", device="cpu", progress=False)
        assert record.files == (tmp_path / f"{name}.tif",)
    first, again, other = (job["model"] for job in jobs)
    assert first == again != other


def test_a_model_that_a_program_has_changed_is_named(tmp_path: Path) -> None:
    import onnx

    scene, model = write_scene(tmp_path / "scene.tif"), write_model(tmp_path / "m.onnx")
    graph = onnx.load(model)
    graph.doc_string = "made smaller"
    onnx.save(graph, model)
    (record,) = rsa.predict(model, scene, tmp_path / "map.tif", device="cpu", progress=False)
    assert "A program has changed the graph" in record.remarks[-1]


@pytest.mark.slow
def test_a_model_and_a_run_are_averaged(tmp_path: Path, run_verb: Verb, shared_home: Path) -> None:
    scene, model = write_scene(tmp_path / "scene.tif"), write_model(tmp_path / "m.onnx", dynamic=True)
    shares = []
    for name, checkpoints in (("run", [RUN]), ("onnx", [model]), ("both", [RUN, model])):
        given = [part for checkpoint in checkpoints for part in ("--checkpoint", checkpoint)]
        options = ("--probabilities", "--float", "--device", "cpu")
        code, _, errors = run_verb("predict", scene, *given, "-o", tmp_path / f"{name}.tif", *options)
        assert code == 0, errors
        with rasterio.open(tmp_path / f"{name}_probabilities_float.tif") as dataset:
            shares.append(dataset.read())
    np.testing.assert_allclose(shares[2], (shares[0] + shares[1]) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("fixed.onnx", "--tile-px", "64"),
            "--tile-px is 64, and fixed.onnx takes tiles of 128 px. Leave --tile-px out,",
        ),
        (("fixed.onnx", "--tile-px", "60"), "--tile-px is 60. Allowed: multiples of the backbone's patch of 8 px"),
        (("fixed.onnx", "--tta", "scales"), "--tta scales shows tiles of other sizes, and fixed.onnx takes"),
        (("free.onnx", "--tile-px", "24"), "--tile-px is 24, and free.onnx takes 32 px or more."),
        (
            ("free.onnx", "--tile-px", "32", "--tta", "scales"),
            "--tile-px is 32, of which --tta scales shows views of 24 px, and free.onnx takes 32 px or more.",
        ),
        (("fixed.onnx", "--precision", "bf16"), "--precision is bf16, and fixed.onnx computes in fp32."),
        (("fixed.onnx", "--weights", "fixed.onnx"), "--weights names base weights, and fixed.onnx holds its own."),
        (("fixed.onnx", "--device", "cuda"), "--device cuda: this onnxruntime is not built for GPUs."),
        (("gone.onnx",), "gone.onnx does not exist. Name an ONNX model that rs-adapt export RUN --format onnx wrote."),
        (("foreign.onnx",), "foreign.onnx does not state bands, stretch and classes: it was not written by rs-adapt"),
        (("cut.onnx",), "cut.onnx is no ONNX model, or damaged: it is cut off. Copy it again, or export it again"),
        (("other.onnx",), "other.onnx: its input is pixels (tensor(float), any x 3 x 128 x 128), and by its metadata"),
    ],
)
def test_what_a_model_cannot_do_is_refused(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    write_scene(Path("scene.tif"))
    write_model(Path("fixed.onnx"))
    write_model(Path("free.onnx"), dynamic=True)
    write_graph(Path("foreign.onnx"))
    Path("cut.onnx").write_bytes(Path("fixed.onnx").read_bytes()[:-9])
    write_graph(Path("other.onnx"), image="pixels")
    seal(Path("other.onnx"))
    files = sorted(tmp_path.iterdir())
    code, out, errors = run_verb("predict", "scene.tif", "-o", "map.tif", "--checkpoint", *arguments)
    assert (code, out) == (2, "")
    assert sentence in " ".join(errors.split())
    assert sorted(tmp_path.iterdir()) == files


def test_onnxruntime_is_asked_for_before_torch_is(
    tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_session, "PACKAGE", "no_such_package")
    model = write_model(tmp_path / "m.onnx")
    code, _, errors = run_verb(
        "predict", write_scene(tmp_path / "s.tif"), "-o", tmp_path / "m.tif", "--checkpoint", model
    )
    assert code == 2
    assert "needs the package no_such_package: pip install 'rs-adapt[onnx]'" in " ".join(errors.split())
    assert "Loading torch" not in errors


@pytest.mark.parametrize(
    "command",
    [
        ("eval", "m.onnx"),
        ("calibrate", "m.onnx"),
        ("judge", "m.onnx", "--against", "m.onnx"),
        ("export", "m.onnx", "-o", "out"),
        ("inspect", "m.onnx", "--image", "m.onnx"),
        ("submit", "m.onnx", "-o", "out.zip"),
    ],
    ids=lambda command: command[0],
)
def test_other_commands_ask_for_the_run(
    command: tuple[str, ...], tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(Path("m.onnx"))
    code, out, errors = run_verb(*command)
    assert (code, out) == (2, "")
    assert "m.onnx is an ONNX model, which `rs-adapt predict` alone runs. Name the run folder" in " ".join(
        errors.split()
    )
