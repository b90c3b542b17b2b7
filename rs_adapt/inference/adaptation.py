"""Test-time adaptation: a few steps of a trained model on unlabelled images, and a guard that takes them back.

Shapes: N tiles, K classes, H/W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor, nn

from rs_adapt.engine.optim import autocast
from rs_adapt.inference.drift import BATCH_TILES, AdaptationSettings, Drift, measure_drift
from rs_adapt.strategies.pair import Batch
from rs_adapt.strategies.source_free import SourceFree

if TYPE_CHECKING:
    from rs_adapt.inference.predictor import Predictor

_EMA_DECAY = 0.9
# Tiles that the weights before and after are compared on.
_COMPARED_TILES = 32


def adapt_weights(
    predictor: Predictor,
    tiles_NHW3: NDArray[np.uint8],
    valid_NHW: NDArray[np.bool_],
    settings: AdaptationSettings,
    on_step: Callable[[int], object] = lambda step: None,
) -> tuple[dict[str, Tensor], Drift]:
    """Train a few steps on unlabelled tiles, and return the weights with what they changed; the model stays.

    The losses are those of `SourceFree`: labels of an averaged teacher on class-mixed tiles, and agreement with the
    model as it was. What trains is what the method trains in the backbone, norms among it where the method trains
    norms; the head stays, as the classifier does in SHOT (Liang et al., arXiv 2002.08546). A model whose backbone
    trains nothing adapts its head.

    Args:
        predictor: The model.
        tiles_NHW3: RGB, uint8; the backbone must accept their sides.
        valid_NHW: Where the tiles have data.
        settings: Steps, rate and seed. The same ones give the same weights on one machine.
        on_step: Called after each step with the steps done.
    """
    model = predictor.model
    trained = _trained_parameters(model)
    begun = {name: value.detach().clone() for name, value in trained.items()}
    before = _predict_classes(predictor, tiles_NHW3[:_COMPARED_TILES])
    held = [value for name, value in model.named_parameters() if value.requires_grad and name not in trained]
    try:
        for value in held:
            value.requires_grad_(False)
        is_finite = _train(predictor, tiles_NHW3, valid_NHW, settings, on_step)
        adapted = {name: value.detach().clone() for name, value in trained.items()}
        is_finite = is_finite and all(bool(torch.isfinite(value).all()) for value in adapted.values())
        after = _predict_classes(predictor, tiles_NHW3[:_COMPARED_TILES])
    finally:
        for value in held:
            value.requires_grad_(True)
        _put(trained, begun)
    drift = measure_drift(
        before, after, valid_NHW[:_COMPARED_TILES], num_classes=predictor.num_classes, is_finite=is_finite
    )
    return adapted, drift


@contextmanager
def with_weights(predictor: Predictor, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a model have other weights for the length of a block.

    Args:
        predictor: The model.
        weights: Tensors by the names of `adapt_weights`.
    """
    trained = dict(predictor.model.named_parameters())
    before = {name: trained[name].detach().clone() for name in weights}
    try:
        _put(trained, weights)
        yield
    finally:
        _put(trained, before)


def _train(
    predictor: Predictor,
    tiles_NHW3: NDArray[np.uint8],
    valid_NHW: NDArray[np.bool_],
    settings: AdaptationSettings,
    on_step: Callable[[int], object],
) -> bool:
    """Train, and return whether all losses were finite."""
    strategy = SourceFree(segmentor=predictor.model, ema_decay=_EMA_DECAY)
    parameters = [value for value in predictor.model.parameters() if value.requires_grad]
    device = parameters[0].device
    optimizer = torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=0.0)
    draws = np.random.default_rng(settings.seed)
    order: list[int] = []
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.enable_grad():
        torch.manual_seed(settings.seed)
        for step in range(settings.steps):
            while len(order) < BATCH_TILES:
                order += draws.permutation(len(tiles_NHW3)).tolist()
            chosen, order = order[:BATCH_TILES], order[BATCH_TILES:]
            flips = draws.random(BATCH_TILES) < 0.5
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * (1 - step / settings.steps)
            batch = _batch(predictor, tiles_NHW3[chosen], valid_NHW[chosen], flips)
            with autocast(predictor.precision, device.type):
                losses = strategy.loss(batch)
            loss = torch.stack([value for name, value in losses.items() if "loss" in name.rpartition(".")[2]]).sum()
            if not torch.isfinite(loss):
                return False
            optimizer.zero_grad()
            torch.autograd.backward([loss])
            optimizer.step()
            on_step(step + 1)
    return True


def _batch(
    predictor: Predictor, tiles_NHW3: NDArray[np.uint8], valid_NHW: NDArray[np.bool_], flips: NDArray[np.bool_]
) -> Batch:
    images, samples = [], []
    for tile_HW3, valid_HW, is_flipped in zip(tiles_NHW3, valid_NHW, flips, strict=True):
        images.append(tile_HW3[:, ::-1] if is_flipped else tile_HW3)
        sample = SegDataSample()
        shown_HW = np.ascontiguousarray(valid_HW[:, ::-1] if is_flipped else valid_HW)
        sample.valid = PixelData(data=torch.from_numpy(shown_HW)[None])
        samples.append(sample)
    return {"inputs": predictor.inputs(np.stack(images)), "data_samples": samples}


def _trained_parameters(model: Any) -> dict[str, nn.Parameter]:
    """Return what adapts: what trains in the backbone, or all that trains where that is the head alone."""
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    return {name: value for name, value in trained.items() if name.startswith("backbone.")} or trained


@torch.no_grad()
def _put(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    for name, value in weights.items():
        parameters[name].copy_(value.to(parameters[name]))


def _predict_classes(
    predictor: Predictor, tiles_NHW3: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return class and probability of each pixel, (N, H, W)."""
    classes, confidence = [], []
    for first in range(0, len(tiles_NHW3), BATCH_TILES):
        values_NKHW = predictor.predict_tiles(tiles_NHW3[first : first + BATCH_TILES])
        classes.append(values_NKHW.argmax(axis=1).astype(np.uint8))
        confidence.append(values_NKHW.max(axis=1))
    return np.concatenate(classes), np.concatenate(confidence)
