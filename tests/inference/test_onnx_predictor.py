"""An ONNX model as a predictor of tiles: known probabilities, batches, views; other graphs are refused."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_models import probabilities, seal, write_graph, write_model

from rs_adapt.errors import CheckpointMismatch, ConfigError, DeviceUnavailable, RunFailed
from rs_adapt.inference import onnx_session
from rs_adapt.inference.ensemble import Ensemble, Member, load_members
from rs_adapt.inference.onnx_predictor import OnnxPredictor
from rs_adapt.runs.onnx_files import read_onnx_facts
from rs_adapt.runs.records import Calibration


def load(path: Path, device: str = "cpu") -> OnnxPredictor:
    return OnnxPredictor.load(path, read_onnx_facts(path), device=device)


def tiles(number: int = 3, side_px: int = 128) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (number, side_px, side_px, 3), dtype=np.uint8)


def test_probabilities_are_those_of_the_graph(tmp_path: Path) -> None:
    predictor = load(write_model(tmp_path / "m.onnx", dynamic=True))
    assert (predictor.num_classes, predictor.patch_px) == (6, 8)
    assert predictor.numerics == ("fp32", f"onnxruntime {version('onnxruntime')}", "CPUExecutionProvider")
    for side_px in (64, 128):
        given_NKHW = predictor.predict_tiles(tiles(side_px=side_px))
        np.testing.assert_allclose(given_NKHW, probabilities(tiles(side_px=side_px)), atol=1e-6)
    # A model of pixels alone gives the same from every side; of sizes it sees means.
    for views in ("flips", "d4"):
        np.testing.assert_allclose(predictor.predict_tiles(tiles(), tta=views), probabilities(tiles()), atol=1e-6)
    even = np.full((1, 64, 64, 3), 90, np.uint8)
    np.testing.assert_allclose(predictor.predict_tiles(even, tta="scales"), probabilities(even), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_a_fixed_number_of_tiles_is_respected(batch: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write_graph(path, batch=batch)
    seal(path)
    np.testing.assert_allclose(load(path).predict_tiles(tiles()), probabilities(tiles()), atol=1e-6)


def test_the_temperature_of_the_pack_is_used(tmp_path: Path) -> None:
    calibration = Calibration.model_construct(temperature=2.0)
    path = write_model(tmp_path / "m.onnx")
    facts = read_onnx_facts(path)
    facts = facts.model_copy(update={"manifest": facts.manifest.model_copy(update={"calibration": calibration})})
    predictor = OnnxPredictor.load(path, facts, device="cpu")
    np.testing.assert_allclose(predictor.predict_tiles(tiles()), probabilities(tiles(), temperature=2), atol=1e-6)
    assert predictor.numerics[-1] == "temperature 2.0"


def test_models_are_averaged(tmp_path: Path) -> None:
    paths = [write_model(tmp_path / f"{name}.onnx") for name in "ab"]
    members = [Member(checkpoint=path, source=read_onnx_facts(path)) for path in paths]
    averaged = load_members(members, device="cpu")
    assert isinstance(averaged, Ensemble)
    np.testing.assert_allclose(averaged.predict_tiles(tiles()), probabilities(tiles()), atol=1e-6)


@pytest.mark.parametrize(
    ("graph", "facts", "sentence"),
    [
        ({"image": "pixels"}, {}, "its input is pixels (tensor(float), any x 3 x 128 x 128), and by its metadata"),
        ({"probabilities": "logits"}, {}, "its output is logits (tensor(float), any x 6 x 128 x 128)"),
        ({"sides": (64, 64)}, {}, "by its metadata it is image (tensor(float), any x 3 x 128 x 128)"),
        ({}, {"classes": ["a", "b"]}, "by its metadata it is probabilities (tensor(float), any x 2 x 128 x 128)"),
    ],
)
def test_graphs_of_other_inputs_and_outputs_are_refused(
    graph: dict[str, Any], facts: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    write_graph(path, **graph)
    seal(path, **facts)
    with pytest.raises(CheckpointMismatch) as refusal:
        load(path)
    assert sentence in str(refusal.value)


def test_a_graph_that_onnxruntime_cannot_load_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Nothing"
    onnx.save(model, path)
    with pytest.raises(CheckpointMismatch, match=r"onnxruntime cannot load .*m\.onnx: .*Nothing"):
        load(path)


def test_a_failure_of_onnxruntime_is_a_failed_run(tmp_path: Path) -> None:
    predictor = load(write_model(tmp_path / "m.onnx"))
    with pytest.raises(RunFailed, match="onnxruntime failed on 3 tiles of 64 x 64 px: .* use a smaller --batch-size"):
        predictor.predict_tiles(tiles(side_px=64))


def test_gpus_need_an_onnxruntime_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeviceUnavailable, match="--device cuda: this onnxruntime is not built for GPUs"):
        load(write_model(tmp_path / "m.onnx"), device="cuda")
    import onnxruntime

    cuda, cpu = "CUDAExecutionProvider", "CPUExecutionProvider"
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [cuda, cpu])
    assert onnx_session.choose_providers("cuda:2") == [(cuda, {"device_id": 2, "use_tf32": 0}), cpu]
    assert onnx_session.choose_providers("auto")[0] == (cuda, {"device_id": 0, "use_tf32": 0})
    assert onnx_session.choose_providers("cpu") == [cpu]


def test_onnxruntime_may_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_session, "PACKAGE", "no_such_package")
    with pytest.raises(ConfigError, match=r"needs the package no_such_package: pip install 'rs-adapt\[onnx\]'"):
        onnx_session.require_onnxruntime(Path("m.onnx"))
