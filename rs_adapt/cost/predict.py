"""Prediction of the memory of training from shapes: an iteration of the real model without values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from mmengine.structures import PixelData
from torch import Tensor, nn

from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.cost.candidates import build_optimizer, random_crops
from rs_adapt.cost.live_bytes import LiveBytes
from rs_adapt.cost.valueless import assume_values, drop_values
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import recompute_blocks
from rs_adapt.errors import ConfigError
from rs_adapt.registry import quiet_libraries

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# CUDA's allocator hands out multiples of it.
_CUDA_BLOCK_BYTES = 512
# AdamW makes its state in the first.
_ITERS = 2


@dataclass(frozen=True, kw_only=True)
class PredictedMemory:
    """The memory of a training iteration, as predicted.

    Attributes:
        batch_size: Crops per domain and iteration.
        weights_bytes: Parameters and buffers, the teacher's averages included.
        optimizer_bytes: State of the optimizer.
        peak_bytes: Most bytes of live tensors at once: weights, optimizer state, gradients, saved and temporary tensors.
    """

    batch_size: int
    weights_bytes: int
    optimizer_bytes: int
    peak_bytes: int


def predict_memory(
    cfg: ResolvedConfig, *, batch_size: int | None = None, device_type: Literal["cuda", "cpu"] = "cuda"
) -> PredictedMemory:
    model = build_on_meta(cfg).train()
    recompute_blocks(cfg, model)
    drop_values(model)
    with assume_values(model, num_classes=len(cfg.bench.classes)):
        return iterate(cfg, model, batch_size=batch_size, device_type=device_type)

def iterate(cfg, model, *, batch_size=None, device_type="cuda"):
    size = cfg.train_dataloader.batch_size if batch_size is None else batch_size
    optim_wrapper = build_optimizer(model, cfg)
    batch = training_batch(cfg, size)
    live = LiveBytes(block_bytes=_CUDA_BLOCK_BYTES if device_type == "cuda" else 1)
    live.hold([*model.parameters(), *model.buffers()])
    weights = live.live_bytes
    with live:
        for _ in range(_ITERS):
            model.train_step(batch, optim_wrapper)
    state = [v for s in optim_wrapper.optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]
    return PredictedMemory(batch_size=size, weights_bytes=weights, optimizer_bytes=sum(v.untyped_storage().nbytes() for v in state), peak_bytes=live.peak_bytes)


def training_batch(cfg: ResolvedConfig, batch_size: int) -> dict[str, Any]:
    """Return a batch as the loader of a training gives it: random crops, with labels where training reads them."""
    stream = cfg.train_dataloader.dataset
    if stream.unlabelled is None:
        return random_crops(cfg, batch_size)
    target = random_crops(cfg, batch_size)
    for sample in target["data_samples"]:
        del sample.gt_sem_seg
    if cfg.protocol.teacher_view == "plain":
        target["plain"] = list(target["inputs"])
    if stream.labelled is None:
        return {"target": target}
    return {"source": random_crops(cfg, batch_size), "target": target}
