"""Several trained models on one backbone as one: their probabilities are averaged, and the frozen base is held once.

Shapes: N tiles, K classes, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.inference.onnx_predictor import OnnxPredictor
from rs_adapt.inference.predictor import Predictor
from rs_adapt.inference.words import name_classes
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import OnnxFacts

if TYPE_CHECKING:
    from rs_adapt.config.execution import Tta
    from rs_adapt.config.resolved import ResolvedConfig


class TilePredictor(Protocol):
    """A model of tiles: one trained model, or several."""

    @property
    def num_classes(self) -> int:
        """Number of classes K."""

    @property
    def patch_px(self) -> int:
        """Patch of the backbone; sides of tiles are multiples of it."""

    @property
    def numerics(self) -> tuple[str, ...]:
        """Facts that a prediction depends on beside the weights."""

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: Tta | None = None) -> NDArray[np.float32]:
        """Return the class probabilities of RGB tiles, float32 (N, K, H, W)."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A checkpoint to load.

    Attributes:
        checkpoint: Folder of a pack, or file of an ONNX model.
        source: The pack's configuration, from `recompose`, or the model's facts.
        words: Names of classes in place of those of the training; empty for the model's own.
    """

    checkpoint: Path
    source: ResolvedConfig | OnnxFacts
    words: tuple[str, ...] = ()


class Ensemble:
    """The mean of the probabilities of several models.

    Args:
        members: The models; all have the same classes and the same patch.

    Raises:
        CheckpointMismatch: Their classes or patches differ in number or size.
    """

    def __init__(self, members: Sequence[TilePredictor]) -> None:
        self.members = tuple(members)
        for name in ("num_classes", "patch_px"):
            values = [getattr(member, name) for member in self.members]
            if len(set(values)) > 1:
                raise CheckpointMismatch(
                    f"The models cannot be averaged: {name} is {' and '.join(map(str, values))}. Give models of one "
                    "configuration."
                )

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return self.members[0].num_classes

    @property
    def patch_px(self) -> int:
        """Patch of the backbone; sides of tiles are multiples of it."""
        return self.members[0].patch_px

    @property
    def numerics(self) -> tuple[str, ...]:
        """Those of each member."""
        return tuple(fact for member in self.members for fact in member.numerics)

    def predict_tiles(self, tiles_NHW3: NDArray[np.uint8], *, tta: Tta | None = None) -> NDArray[np.float32]:
        """Return the mean of the members' class probabilities, float32 (N, K, H, W).

        Args:
            tiles_NHW3: RGB, uint8; the backbone must accept their sides.
            tta: See `Predictor.predict_tiles`.
        """
        first, *others = self.members
        sums_NKHW = first.predict_tiles(tiles_NHW3, tta=tta)
        for member in others:
            sums_NKHW += member.predict_tiles(tiles_NHW3, tta=tta)
        sums_NKHW /= np.float32(len(self.members))
        return sums_NKHW


def load_members(members: Sequence[Member], *, device: str = "auto") -> TilePredictor:
    """Load checkpoints, with the temperatures of their packs, for the prediction of tiles.

    Several become an `Ensemble`, in which those that are packs hold the frozen base once.

    While a further checkpoint is loaded, its base is in memory beside the shared one.

    Args:
        members: The checkpoints.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        CheckpointMismatch: A pack or a model is missing, damaged, or does not fit the others.
        WeightsError: The base weights are missing or wrong.
    """
    predictors: list[TilePredictor] = []
    backbones: list[Any] = []
    for member in members:
        if isinstance(member.source, OnnxFacts):
            predictors.append(OnnxPredictor.load(member.checkpoint, member.source, device=device))
            continue
        predictor = load_calibrated(member.source, member.checkpoint, device=device)
        if member.words:
            name_classes(predictor.model, member.source, member.checkpoint, member.words)
        predictors.append(predictor)
        backbones.append(predictor.model.backbone)
        if len(backbones) > 1:
            share_base(backbones)
    return predictors[0] if len(predictors) == 1 else Ensemble(predictors)


def load_calibrated(cfg: ResolvedConfig, checkpoint: Path, *, device: str = "auto") -> Predictor:
    """Load a checkpoint with the temperature of its pack; see `Predictor.load`."""
    predictor = Predictor.load(cfg, checkpoint, device=device)
    if (calibration := read_manifest(checkpoint).calibration) is not None:
        predictor.temperature = calibration.temperature
    return predictor


def share_base(backbones: Sequence[Any]) -> int:
    """Let backbones use one copy of the frozen tensors of their base.

    A tensor that a method trains, such as a bias, stays each backbone's own.

    Args:
        backbones: `Vit`s on one device.

    Returns:
        Number of tensors of the later backbones that are copies no longer.
    """
    shared: dict[str, torch.nn.Parameter] = {}
    num_shared = 0
    for backbone in backbones:
        for name, parameter in backbone.base_parameters().items():
            if parameter.requires_grad:
                continue
            first = shared.setdefault(name, parameter)
            is_own = first.data_ptr() != parameter.data_ptr()
            if is_own and first.shape == parameter.shape and torch.equal(first, parameter):
                parameter.data = first.data
                num_shared += 1
    return num_shared
