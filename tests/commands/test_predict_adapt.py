"""`rs-adapt predict --adapt`: a few steps on the scene before it is mapped, taken back where the model drifts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from rs_adapt.inference import adaptation
from rs_adapt.prediction import predict as predict_module
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
ADAPT = ("--adapt", "--adapt-steps", "2")


@pytest.fixture(name="scene")
def scene_fixture(tmp_path: Path) -> Path:
    """Write a scene of 128 px with patches of even colour."""
    coarse = np.random.default_rng(0).integers(1, 256, (4, 4, 3))
    image_HW3 = coarse.repeat(32, axis=0).repeat(32, axis=1).astype(np.uint8)
    write_geotiff(tmp_path / "scene.tif", image_HW3, crs="EPSG:32632", transform=(0.5, 0.0, 5e5, 0.0, -0.5, 5e6))
    return tmp_path / "scene.tif"


@pytest.fixture(name="predict")
def predict_fixture(run_verb: Verb, scene: Path, tmp_path: Path, shared_home: Path) -> Verb:
    """Return a function that maps the scene into `NAME.tif` and gives the exit code, stdout and stderr in one line."""

    def predict(name: str, *options: object) -> tuple[Any, str, str]:
        out = ("--overlap-px", "0", "--device", "cpu", "-o", tmp_path / f"{name}.tif")
        code, printed, errors = run_verb("predict", scene, "--checkpoint", RUN, *out, "--confidence", *options)
        return code, " ".join(printed.split()), " ".join(errors.split())

    return predict


def read(path: Path) -> NDArray[Any]:
    with rasterio.open(path) as dataset:
        values: NDArray[Any] = dataset.read(1)
        return values


@pytest.mark.slow
def test_an_interrupted_map_continues_with_the_same_adapted_weights(
    predict: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predict("plain")[0] == 0
    code, printed, _ = predict("straight", *ADAPT)
    assert code == 0
    assert "Note: --adapt: the map is made with adapted weights; on tiles of the scene" in printed
    confidence = {name: read(tmp_path / f"{name}_confidence.tif") for name in ("plain", "straight")}
    assert (confidence["plain"] != confidence["straight"]).any()

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(predict_module, "predict_panels", stop)
        assert predict("parts", *ADAPT)[0] == 130
    assert {path.name for path in (tmp_path / ".parts.tif.strips").iterdir()} >= {
        *("adapted.json", "adapted.safetensors", "job.json")
    }
    # The steps are not taken again.
    monkeypatch.setattr(adaptation, "adapt_weights", stop)
    code, continued, _ = predict("parts", *ADAPT)
    assert code == 0
    assert continued.partition("--adapt")[2] == printed.partition("--adapt")[2]
    for suffix in (".tif", "_confidence.tif"):
        assert (tmp_path / f"parts{suffix}").read_bytes() == (tmp_path / f"straight{suffix}").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_weights_that_drift_are_taken_back(predict: Verb, tmp_path: Path) -> None:
    assert predict("plain")[0] == 0
    code, printed, _ = predict("drifted", *ADAPT, "--adapt-lr", "5")
    assert code == 0
    assert "--adapt: the adapted weights drifted, so the map is made with the given ones" in printed
    assert (read(tmp_path / "plain_confidence.tif") == read(tmp_path / "drifted_confidence.tif")).all()
    tags = [rasterio.open(tmp_path / f"{name}.tif").tags().get("adaptation") for name in ("plain", "drifted")]
    assert tags == [None, "taken back, the weights drifted (2 steps, learning rate 5, seed 0)"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--adapt", "--checkpoint", RUN), "--adapt changes the weights of one model, and there are 2 checkpoints"),
        (("--adapt-steps", "3"), "--adapt-steps is 3, which has no effect without --adapt"),
        (("--adapt", "--adapt-lr", "0"), "--adapt-lr is 0.0; it must be larger than 0"),
    ],
)
def test_what_cannot_adapt_is_refused(predict: Verb, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    code, printed, errors = predict("map", *options)
    assert (code, printed) == (2, "")
    assert message in errors
    assert not (tmp_path / "map.tif").exists()


def test_onnx_models_are_refused(run_verb: Verb, scene: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"model")
    code, _, errors = run_verb(
        "predict", scene, "--checkpoint", tmp_path / "model.onnx", "-o", tmp_path / "m.tif", "--adapt"
    )
    assert code == 2
    assert "it is an ONNX model. Name the run that it was exported from" in " ".join(errors.split())
