"""One way from an image to classes: equal to mmsegmentation's, whole or in windows, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.structures import SegDataSample

import rs_adapt
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.build import build_model
from rs_adapt.errors import DataError
from rs_adapt.inference.predictor import Predictor, unpadded_metainfo
from rs_adapt.registry import load_libraries

SLIDE = ("bench.inference.mode='slide'", "bench.inference.crop_px=48", "bench.inference.stride_px=28")
WHOLE = ("bench.inference.mode='whole'", "bench.tile_px=64")


def make_predictor(*overrides: str, head: str = "linear") -> Predictor:
    torch.manual_seed(0)
    cell = resolve_cell("synthetic-dg", backbone="dinov2_nano", head=head)
    cfg = compose(cell, overrides=("bench.crop_px=48", *overrides), weights="random")
    load_libraries(cfg.default_scope)
    return Predictor(build_model(cfg))


def make_image(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)


def mmseg_scores(predictor: Predictor, image_HW3: np.ndarray) -> np.ndarray:
    """Scores as `EncoderDecoder.test_step` gives them for a tile of a loader."""
    inputs = torch.from_numpy(image_HW3[..., ::-1].transpose(2, 0, 1).copy())
    sample = SegDataSample(metainfo={"ori_shape": image_HW3.shape[:2], "img_shape": image_HW3.shape[:2]})
    (done,) = predictor.predict_batch({"inputs": [inputs], "data_samples": [sample]})
    assert torch.equal(done.pred_sem_seg.data[0], done.seg_logits.data.argmax(dim=0))
    return done.seg_logits.data.numpy()


@pytest.mark.parametrize("head", ["linear", "mask2former_small"])
@pytest.mark.parametrize(
    ("overrides", "size"), [(WHOLE, (64, 48)), (SLIDE, (48, 48)), (SLIDE, (72, 112)), (SLIDE, (40, 80))]
)
def test_scores_equal_mmsegmentations(overrides: tuple[str, ...], size: tuple[int, int], head: str) -> None:
    predictor, image = make_predictor(*overrides, head=head), make_image(*size)
    prediction = predictor.predict(image)
    expected = mmseg_scores(predictor, image)
    assert np.array_equal(prediction.scores_KHW, expected)
    assert prediction.scores_KHW.dtype == np.float32
    assert np.array_equal(prediction.labels_HW, expected.argmax(axis=0))
    assert prediction.labels_HW.dtype == np.uint8
    sums_HW = prediction.probabilities_KHW.sum(axis=0)
    assert np.allclose(sums_HW, 1, atol=1e-5)
    assert np.array_equal(prediction.probabilities_KHW.argmax(axis=0), prediction.labels_HW)


@pytest.mark.parametrize("head", ["linear", "mask2former_small"])
@pytest.mark.parametrize(
    ("overrides", "size", "padded"),
    [
        # Below the window of 48 px and no multiple of the patch of 8 px; the other side in windows, or below it too.
        (SLIDE, (100, 45), (100, 48)),
        (SLIDE, (37, 80), (40, 80)),
        (SLIDE, (33, 42), (40, 48)),
        # The smallest map is a quarter of the token grid.
        (SLIDE, (48, 5), (48, 32)),
        (WHOLE, (64, 47), (64, 48)),
        # Windows are moved inwards at the edge: nothing to pad.
        (SLIDE, (61, 99), (61, 99)),
    ],
)
def test_sides_that_do_not_divide_into_patches_are_padded_and_cut_off(
    overrides: tuple[str, ...], size: tuple[int, int], padded: tuple[int, int], head: str
) -> None:
    predictor, image = make_predictor(*overrides, head=head), make_image(*size)
    assert predictor.model.backbone.patch_px == 8
    scores = mmseg_scores(predictor, image)
    assert scores.shape[1:] == size
    assert np.array_equal(predictor.predict(image).scores_KHW, scores)
    # By hand: the normalised image with zeros at the bottom and on the right, predicted as it is.
    inputs = torch.zeros(1, 3, *padded)
    inputs[..., : size[0], : size[1]] = predictor.preprocess(image)
    with torch.no_grad():
        expected = predictor.model.inference(inputs, [unpadded_metainfo(inputs)])[0, :, : size[0], : size[1]]
    assert np.array_equal(scores, expected.numpy())
    batch = {
        "inputs": [torch.from_numpy(image[..., ::-1].transpose(2, 0, 1).copy())],
        "data_samples": [SegDataSample(metainfo={"ori_shape": size, "img_shape": size})],
    }
    (mean,) = predictor.predict_batch(batch, tta="flips")
    assert mean.seg_logits.data.shape[1:] == size


def test_rows_are_yielded_from_top_to_bottom_and_cover_the_image() -> None:
    predictor, image = make_predictor(*SLIDE), make_image(104, 40)
    rows = list(predictor.predict_rows(image))
    assert [first for first, _ in rows] == [0, 28, 56]
    assert [scores.shape[1:] for _, scores in rows] == [(28, 40), (28, 40), (48, 40)]
    assert np.array_equal(np.concatenate([scores for _, scores in rows], axis=1), predictor.predict(image).scores_KHW)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((32, 32), dtype=np.uint8),
        np.zeros((32, 32, 4), dtype=np.uint8),
        np.zeros((32, 32, 3), dtype=np.float32),
        np.zeros((0, 32, 3), dtype=np.uint8),
    ],
)
def test_arrays_of_a_different_kind_are_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"cannot be predicted: give 8-bit RGB, an array \(H, W, 3\) of uint8"):
        make_predictor(*WHOLE).predict(image)


def test_no_other_module_runs_a_trained_model() -> None:
    """Evaluation, submissions, inspection, reports, judgements and maps go through the predictor."""
    package = Path(rs_adapt.__file__).parent
    callers = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(
            r"\.(encode_decode|test_step|val_step|slide_inference|whole_inference)\(|mode=\"predict\"", path.read_text()
        )
    }
    # `cost` measures the training step and the bare forward pass; the graph of ONNX is compared with the predictor.
    others = {"cost/candidates.py", "exchange/onnx_model.py", "engine/flow_loop.py"}
    assert callers == {"engine/forward.py", "inference/predictor.py", *others}
    # Training scores by the function behind `Predictor.predict_batch`.
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "engine.forward import predict_batch" in path.read_text()
    }
    assert users == {"engine/evaluate.py", "engine/loops.py", "inference/predictor.py"}
