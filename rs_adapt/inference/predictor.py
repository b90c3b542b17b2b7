"""A trained model that predicts images of any size; the only code that predicts outside of training.

Shapes: K classes, H/W pixels of the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rs_adapt.config.execution import Tta
from rs_adapt.engine.forward import predict_batch
from rs_adapt.engine.optim import Precision, autocast
from rs_adapt.engine.padding import pad_batch, pad_to_patches
from rs_adapt.errors import DataError
from rs_adapt.inference.checkpoint import load_model
from rs_adapt.inference.views import predict_views
from rs_adapt.strategies.pseudo_labels import probabilities
from rs_adapt.tiles.blend import RowBlender
from rs_adapt.tiles.grid import tile_origins

if TYPE_CHECKING:
    from mmseg.models import EncoderDecoder
    from mmseg.structures import SegDataSample

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.strategies.pseudo_labels import ScoreKind

Image = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The prediction of one image.

    Attributes:
        scores_KHW: Class scores of the head, float32: logits, or for Mask2Former non-negative sums of mask scores.
        kind: Kind of the scores: "logits" or "scores".
    """

    scores_KHW: NDArray[np.float32]
    kind: ScoreKind

    @property
    def labels_HW(self) -> NDArray[np.uint8]:
        """Index of the class with the highest score, uint8 (H, W)."""
        labels_HW: NDArray[np.uint8] = self.scores_KHW.argmax(axis=0).astype(np.uint8)
        return labels_HW

    @property
    def probabilities_KHW(self) -> NDArray[np.float32]:
        """Class probabilities, float32 (K, H, W), which sum to 1 over the classes."""
        values: NDArray[np.float32] = probabilities(torch.from_numpy(self.scores_KHW)[None], self.kind)[0].numpy()
        return values


def rescale(probabilities_NKHW: Tensor, temperature: float) -> Tensor:
    """Return the probabilities, (N, K, H, W) float32, whose logits are divided by a temperature."""
    logarithms_NKHW = probabilities_NKHW.clamp_min(1e-12).log()
    return (logarithms_NKHW / temperature).softmax(dim=1)


def unpadded_metainfo(inputs_N3HW: Tensor) -> dict[str, Any]:
    """Return mmsegmentation's facts of an image of a batch that was neither resized nor padded."""
    size_hw = tuple(inputs_N3HW.shape[2:])
    return {"ori_shape": size_hw, "img_shape": size_hw, "pad_shape": size_hw, "padding_size": [0, 0, 0, 0]}


class Predictor:
    """Runs a trained segmentor on images and batches.

    An image is predicted whole or in overlapping windows whose scores are averaged, as the model's `test_cfg` states;
    the results equal those of `rs-adapt eval`.

    Example:
        >>> predictor = Predictor.load(recompose(run_dir), run_dir)
        >>> labels_HW = predictor.predict(image_HW3).labels_HW

    Args:
        model: The segmentor, on its device; it is put into eval mode.
        precision: "fp32" or "bf16".
        temperature: Number that logits are divided by before `predict_tiles` makes probabilities of them.
    """

    def __init__(self, model: EncoderDecoder, *, precision: Precision = "fp32", temperature: float = 1.0) -> None:
        self.model = model.eval()
        self.precision: Precision = precision
        self.temperature = temperature

    @classmethod
    def load(cls, cfg: ResolvedConfig, checkpoint: Path, *, device: str = "auto") -> Predictor:
        """Load a checkpoint.

        Args:
            cfg: The configuration of the checkpoint, from `recompose`.
            checkpoint: A run folder, or a folder with an adapter pack.
            device: "auto", "cpu", "cuda" or "cuda:N".

        Raises:
            CheckpointMismatch: The pack is missing, damaged, or of a different model.
            WeightsError: The base weights are missing or wrong.
        """
        return cls(load_model(cfg, checkpoint, device=device), precision=cfg.runtime.precision)

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return int(self.model.decode_head.num_classes)

    @property
    def patch_px(self) -> int:
        """Patch of the backbone; sides of images and windows are multiples of it."""
        return int(self.model.backbone.patch_px)

    @property
    def numerics(self) -> tuple[str, ...]:
        """Precision, kind of device and temperature, on which `predict_tiles` depends beside the weights."""
        facts = (self.precision, next(self.model.parameters()).device.type)
        return facts if self.temperature == 1 else (*facts, f"temperature {self.temperature!r}")

    @torch.no_grad()
    def predict_batch(self, batch: Mapping[str, Any], *, tta: Tta | None = None) -> list[SegDataSample]:
        """Predict a batch of a loader; see `rs_adapt.engine.forward.predict_batch`.

        Args:
            batch: The batch.
            tta: Views whose probabilities are averaged, see `predict_views`: `seg_logits` then holds probabilities.
                None for the images alone.
        """
        if tta is None:
            return predict_batch(self.model, batch, precision=self.precision)
        data = pad_batch(self.model.data_preprocessor(batch, False), self.model)
        values_NKHW = predict_views(data["inputs"], self._evaluated_probabilities, tta=tta, patch_px=self.patch_px)
        return list(self.model.postprocess_result(values_NKHW, data["data_samples"]))

    def sample_probabilities(self, sample: SegDataSample, *, tta: Tta | None = None) -> Tensor:
        """Return the class probabilities of an image of a batch, float32 (K, H, W), on the device.

        Args:
            sample: From `predict_batch`.
            tta: The views that it was predicted with.
        """
        values_KHW: Tensor = sample.seg_logits.data
        return values_KHW if tta is not None else self._as_probabilities(values_KHW[None])[0]

    def predict(self, image_HW3: Image) -> Prediction:
        """Predict an image.

        Args:
            image_HW3: RGB, uint8.

        Raises:
            DataError: The image is not such an array, or has no pixels.
        """
        scores_KHW = np.concatenate([rows_KHW for _, rows_KHW in self.predict_rows(image_HW3)], axis=1)
        return Prediction(scores_KHW=scores_KHW, kind=self.model.decode_head.score_kind)

    def predict_rows(self, image_HW3: Image) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Predict an image and yield its scores from top to bottom, with only one row of windows in memory.

        Args:
            image_HW3: RGB, uint8; any array with slices, for example a `numpy.memmap`, read one window at a time.

        Yields:
            Number of the first row, and the scores of the rows from there on, float32 (K, rows, W).

        Raises:
            DataError: The image is not such an array, or has no pixels.
        """
        if image_HW3.ndim != 3 or image_HW3.shape[2] != 3 or image_HW3.dtype != np.uint8 or 0 in image_HW3.shape:
            raise DataError(
                f"An image of shape {image_HW3.shape} and dtype {image_HW3.dtype} cannot be predicted: give "
                "8-bit RGB, an array (H, W, 3) of uint8."
            )
        height_px, width_px = image_HW3.shape[:2]
        test_cfg = self.model.test_cfg
        crop_px = max(height_px, width_px) if test_cfg.mode == "whole" else test_cfg.crop_size[0]
        if max(height_px, width_px) <= crop_px:
            yield 0, self._predict_window(image_HW3)
            return
        blender = RowBlender(
            height_px=height_px, width_px=width_px, num_channels=self.num_classes, tile_px=crop_px, kind="flat"
        )
        tops = tile_origins(height_px, crop_px, test_cfg.stride[0])
        lefts = tile_origins(width_px, crop_px, test_cfg.stride[1])
        for top, next_top in zip(tops, [*tops[1:], height_px], strict=True):
            for left in lefts:
                window_HW3 = image_HW3[top : top + crop_px, left : left + crop_px]
                blender.add(left, top, self._predict_window(window_HW3))
            yield blender.take(next_top)

    @torch.no_grad()
    def predict_tiles(self, tiles_NHW3: Image, *, tta: Tta | None = None) -> NDArray[np.float32]:
        """Return the class probabilities of tiles that fit into one forward pass each, float32 (N, K, H, W).

        Args:
            tiles_NHW3: RGB, uint8; the backbone must accept their sides.
            tta: Views whose probabilities are averaged, see `predict_views`; None for the tiles alone.
        """
        inputs_N3HW = self.inputs(tiles_NHW3)
        values_NKHW = predict_views(inputs_N3HW, self._probabilities, tta=tta, patch_px=self.patch_px)
        values: NDArray[np.float32] = values_NKHW.cpu().numpy()
        return values

    def preprocess(self, image_HW3: Image) -> Tensor:
        """Return an image as the model's input: normalised, float32 (1, 3, H, W), on the device."""
        return self.inputs(image_HW3[None])

    @torch.no_grad()
    def forward(self, inputs_13HW: Tensor) -> Tensor:
        """Return the scores of a single forward pass without windows, (K, H, W), on the device.

        Args:
            inputs_13HW: From `preprocess`; the backbone must accept its sides.
        """
        return self._scores(inputs_13HW)[0]

    def inputs(self, images_NHW3: Image) -> Tensor:
        """Return images as the model's input: normalised, float32 (N, 3, H, W), on the device."""
        pixels = [torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1))) for image in images_NHW3]
        inputs_N3HW: Tensor = self.model.data_preprocessor({"inputs": pixels}, False)["inputs"]
        return inputs_N3HW

    def _probabilities(self, inputs_N3HW: Tensor) -> Tensor:
        return self._as_probabilities(self._scores(inputs_N3HW))

    def _evaluated_probabilities(self, inputs_N3HW: Tensor) -> Tensor:
        """Return the probabilities of images of any size, in sliding windows where the model's `test_cfg` says so."""
        with autocast(self.precision, inputs_N3HW.device.type):
            scores_NKHW = self.model.inference(inputs_N3HW, [unpadded_metainfo(inputs_N3HW)] * len(inputs_N3HW))
        return self._as_probabilities(scores_NKHW)

    def _as_probabilities(self, scores_NKHW: Tensor) -> Tensor:
        values_NKHW = probabilities(scores_NKHW, self.model.decode_head.score_kind)
        return values_NKHW if self.temperature == 1 else rescale(values_NKHW, self.temperature)

    def _scores(self, inputs_N3HW: Tensor) -> Tensor:
        metainfo = [unpadded_metainfo(inputs_N3HW)] * len(inputs_N3HW)
        with autocast(self.precision, inputs_N3HW.device.type):
            scores_NKHW: Tensor = self.model.encode_decode(inputs_N3HW, metainfo)
        return scores_NKHW

    def _predict_window(self, window_HW3: Image) -> NDArray[np.float32]:
        height_px, width_px = window_HW3.shape[:2]
        scores_KHW = self.forward(pad_to_patches(self.preprocess(window_HW3), self.model))
        values: NDArray[np.float32] = scores_KHW[:, :height_px, :width_px].float().cpu().numpy()
        return values
