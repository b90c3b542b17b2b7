"""`rs-adapt export --format onnx`: onnxruntime gives the probabilities of the run, and the file says how to use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import torch

from rs_adapt.exchange import onnx_model
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.scenes import Scene, write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]

# A Mask2Former as small as it gets.
HEAD = (
    *("--head", "mask2former-small", "--set", "model.decode_head.num_points=32"),
    *("--set", "model.decode_head.channels=32", "--set", "model.decode_head.encoder_layers=1"),
    *("--set", "model.decode_head.decoder_layers=1"),
)


def pixels(*shape: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def inputs(images_NHW3: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return images as a program without this package gives them: channels first, divided by 255."""
    return (images_NHW3.transpose(0, 3, 1, 2) / 255).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "export", "shapes"),
    [
        (("--method", "earth-adapter"), ("--tile-px", "64"), [(3, 64, 64, 3)]),
        (("--method", "earth-adapter"), ("--dynamic",), [(1, 64, 64, 3), (2, 48, 112, 3)]),
        (("--method", "lora"), ("--merge",), [(2, 64, 64, 3)]),
        (("--method", "rein", *HEAD), (), [(1, 64, 64, 3)]),
    ],
    ids=["fixed", "any sides", "merged", "mask2former"],
)
def test_onnxruntime_gives_the_probabilities_of_the_run(
    train: Verb,
    run_verb: Verb,
    tmp_path: Path,
    options: tuple[str, ...],
    export: tuple[str, ...],
    shapes: list[tuple[int, ...]],
) -> None:
    assert train(*options, bench="loveda-dg")[0] == 0
    run, out = tmp_path / "run", tmp_path / "out"
    code, text, err = run_verb("export", run, "--format", "onnx", "--out", out, *export)
    assert code == 0, err
    assert "onnxruntime and torch differ by at most" in text
    assert [path.name for path in out.iterdir()] == ["model.onnx"]
    session = onnx_model.open_onnx(out / "model.onnx")
    predictor = Predictor.load(recompose(run), run, device="cpu")
    for shape in shapes:
        images_NHW3 = pixels(*shape)
        given_NKHW = onnx_model.run_onnx(session, inputs(images_NHW3))
        assert abs(given_NKHW - predictor.predict_tiles(images_NHW3)).max() < onnx_model.TOLERANCE
        np.testing.assert_allclose(given_NKHW.sum(1), 1, atol=1e-5)
    classes, shares = [], []
    place = (0.3, 0.0, 400000.0, 0.0, -0.3, 5500000.0)
    write_geotiff(tmp_path / "scene.tif", pixels(100, 140, 3), crs="EPSG:32632", transform=place)
    for name, checkpoint in (("of_run", run), ("of_onnx", out / "model.onnx")):
        given = ("--checkpoint", checkpoint, "-o", tmp_path / f"{name}.tif", "--device", "cpu")
        code, _, err = run_verb("predict", tmp_path / "scene.tif", *given, "--probabilities", "--float")
        assert code == 0, err
        with Scene(tmp_path / f"{name}.tif") as made:
            classes.append(made.read_classes()[0])
        with rasterio.open(tmp_path / f"{name}_probabilities_float.tif") as dataset:
            shares.append(dataset.read())
    assert np.array_equal(*classes)
    assert abs(shares[0] - shares[1]).max() < onnx_model.TOLERANCE
    texts = session.get_modelmeta().custom_metadata_map
    facts = {key: json.loads(value) for key, value in texts.items()}
    assert facts["model_type"] == "Segmentor"
    assert list(facts["class_names"].items())[:2] == [("0", "background"), ("1", "building")]
    # LoveDA: 0.3 m.
    assert (facts["resolution"], facts["tiles_size"]) == (pytest.approx(30), 64)
    # The file normalises; a program that does so, too, changes nothing.
    assert (facts["standardization_mean"], facts["standardization_std"]) == ([0, 0, 0], [1, 1, 1])
    assert facts["rs_adapt"]["manifest"]["normalisation"]["mean"] == pytest.approx([123.675, 116.28, 103.53])
    assert str(tmp_path) not in str(texts)


@pytest.mark.parametrize(("wrong_px", "expected"), [(0, True), (8, False), (16, False), (24, False)])
def test_a_probability_that_is_no_number_is_a_difference_at_whatever_size(
    monkeypatch: pytest.MonkeyPatch, wrong_px: int, expected: bool
) -> None:
    class Thirds(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.full_like(image, 1 / 3)

    def run(_session: object, image: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
        return np.full_like(image, np.nan if image.shape[2] == wrong_px else 1 / 3)

    monkeypatch.setattr(onnx_model, "open_onnx", lambda file: "session")
    monkeypatch.setattr(onnx_model, "run_onnx", run)
    shapes = [(1, 8, 8), (2, 16, 8), (1, 24, 8)]
    difference = onnx_model._difference(Thirds(), Path("x.onnx"), shapes)  # type: ignore[arg-type]
    assert (difference <= onnx_model.TOLERANCE) is expected


def test_what_does_not_fit_is_refused_and_nothing_is_written(
    train: Verb, run_verb: Verb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train("--method", "frozen", bench="loveda-dg")[0] == 0
    export = ("export", tmp_path / "run", "--out", tmp_path / "out")
    for arguments, message in (
        (("--dynamic",), "use --dynamic with --format onnx"),
        (("--tile-px", "64"), "use --tile-px with --format onnx"),
        (
            ("--format", "onnx", "--tile-px", "60"),
            "--tile-px is 60. Allowed: multiples of the backbone's patch of 8 px",
        ),
        (("--format", "onnx", "--merge"), "nothing to merge"),
    ):
        code, out, err = run_verb(*export, *arguments)
        assert (code, out) == (2, "")
        assert message in " ".join(err.replace("│", " ").split())
    monkeypatch.setattr(onnx_model, "PACKAGES", ("onnx", "no_such_package"))
    code, _, err = run_verb(*export, "--format", "onnx")
    assert code == 2
    assert "needs the package no_such_package: pip install 'rs-adapt[onnx]'" in err
    assert not (tmp_path / "out").exists()
