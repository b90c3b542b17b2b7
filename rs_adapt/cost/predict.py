"""Prediction of the memory of training from shapes: an iteration of the real model without values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
from torch.optim import Optimizer

from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.cost.candidates import build_optimizer, random_crops
from rs_adapt.cost.live_bytes import LiveBytes
from rs_adapt.cost.valueless import assume_values, drop_values
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import cast_weights_once, gather_attention, recompute_blocks, store_base
from rs_adapt.errors import ConfigError
from rs_adapt.registry import quiet_libraries
from rs_adapt.strategies import SelfTraining

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

DeviceType = Literal["cuda", "cpu"]

# CUDA's allocator hands out multiples of it.
_CUDA_BLOCK_BYTES = 512


@dataclass(frozen=True, kw_only=True)
class PredictedMemory:
    """The memory of a training iteration.

    Attributes:
        batch_size: Crops per domain and iteration.
        weights_bytes: Parameters and buffers, among them the averages of a teacher.
        optimizer_bytes: State of the optimizer.
        peak_bytes: Most bytes of live tensors at once: weights, state of the optimizer, gradients, and what the forward
            and backward pass hold.
    """

    batch_size: int
    weights_bytes: int
    optimizer_bytes: int
    peak_bytes: int


def predict_memory(
    cfg: ResolvedConfig, *, batch_size: int | None = None, device_type: DeviceType = "cuda"
) -> PredictedMemory:
    """Predict the memory of a training iteration of a cell, without data, weights, a GPU, or memory for the model.

    The model is that of `train`, with strategy, method, precision and its base as configured; it is built on the meta
    device and runs an iteration whose tensors have shapes and types only (`rs_adapt.cost.valueless`), while `LiveBytes`
    counts them. The iteration is one after a warm-up on the source, on crops that hold all classes. Not counted are
    workspaces within operations, gaps between tensors, CUDA itself, the loaders, and evaluations.

    Args:
        cfg: The resolved configuration.
        batch_size: Crops per domain and iteration; the configuration's number.
        device_type: "cuda" rounds storages up as CUDA's allocator does and steps AdamW over all tensors at once; "cpu"
            does neither.

    Raises:
        ConfigError: The task is not segmentation, a student's teacher is not known, or a part of the model computes in
            a way that has no result without values.
        RsAdaptError: The cell cannot be trained, for example because crops do not divide into patches.
    """
    if task_of(cfg.bench).name != SEGMENTATION:
        raise ConfigError(
            f"Memory is predicted for segmentation, and bench {cfg.bench.name} is {task_of(cfg.bench).name}. Leave "
            "--memory out: `rs-adapt plan` then measures a few iterations."
        )
    if cfg.strategy.get("needs_teacher"):
        raise ConfigError(
            f"Strategy {cfg.cell.strategy} needs a trained teacher beside the student, whose size is not known here. "
            "Memory is not predicted."
        )
    with quiet_libraries():
        model = build_on_meta(cfg).train()
        recompute_blocks(cfg, model)
        gather_attention(cfg, model)
        store_base(cfg, model)
        cast_weights_once(cfg, model)
        drop_values(model)
        try:
            with assume_values(model, num_classes=len(cfg.bench.classes)):
                return measure_iteration(cfg, model, batch_size=batch_size, device_type=device_type)
        except (
            DataDependentOutputException,
            DynamicOutputShapeException,
            UnsupportedFakeTensorException,
            UnsupportedOperatorException,
        ) as error:
            raise ConfigError(
                f"The memory of method {cfg.cell.method} on backbone {cfg.cell.backbone} with head {cfg.cell.head} "
                f"cannot be predicted: a part of it computes with values ({error}). `rs-adapt cost` measures it."
            ) from error


def measure_iteration(
    cfg: ResolvedConfig, model: Any, *, batch_size: int | None = None, device_type: DeviceType = "cuda"
) -> PredictedMemory:
    """Run an iteration of a model, with values or without, and count its tensors; see `predict_memory`.

    Args:
        cfg: The resolved configuration of the model.
        model: The model that `train` would train; it is changed.
        batch_size: See `predict_memory`.
        device_type: See `predict_memory`.
    """
    if isinstance(model, SelfTraining):
        # During the warm-up there is neither a teacher nor a mixed image.
        model.warmup_iters = 0
    optim_wrapper = build_optimizer(model, cfg)
    if device_type == "cuda":
        for group in optim_wrapper.optimizer.param_groups:
            # torch's choice on a GPU, whose intermediate results are those of all tensors.
            group["foreach"] = not group.get("fused")
    size = cfg.train_dataloader.batch_size if batch_size is None else batch_size
    batch = _training_batch(cfg, size)
    live = LiveBytes(block_bytes=_CUDA_BLOCK_BYTES if device_type == "cuda" else 1)
    live.hold((*model.parameters(), *model.buffers()))
    weights_bytes = live.live_bytes
    with live:
        _make_state(optim_wrapper.optimizer)
        live.restart_peak()
        model.train_step(batch, optim_wrapper)
    states = optim_wrapper.optimizer.state.values()
    return PredictedMemory(
        batch_size=size,
        weights_bytes=weights_bytes,
        optimizer_bytes=sum(t.nbytes for state in states for t in state.values() if isinstance(t, Tensor)),
        peak_bytes=live.peak_bytes,
    )


def _make_state(optimizer: Optimizer) -> None:
    """Let an optimizer make its state, which it does in its first step."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    optimizer.zero_grad()


def _training_batch(cfg: ResolvedConfig, batch_size: int) -> dict[str, Any]:
    """Return a batch as the loader of a training gives it: random crops, with labels where training reads them."""
    stream = cfg.train_dataloader.dataset
    if stream.unlabelled is None:
        return random_crops(cfg, batch_size)
    target: dict[str, Any] = random_crops(cfg, batch_size)
    for sample in target["data_samples"]:
        del sample.gt_sem_seg
    if any(step["type"] == "rs_adapt.RememberPlainView" for step in stream.unlabelled.pipeline):
        target["plain"] = list(target["inputs"])
    if stream.labelled is None:
        return {"target": target}
    return {"source": random_crops(cfg, batch_size), "target": target}
