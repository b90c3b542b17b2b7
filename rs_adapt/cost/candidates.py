"""The methods of a cost comparison, made ready: composed, built on one frozen backbone, given one batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from rs_adapt.config import Cell, compose
from rs_adapt.engine.build import build_model
from rs_adapt.engine.optim import autocast
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.errors import ConfigError, NonFiniteLoss
from rs_adapt.progress import OnProgress
from rs_adapt.registry import load_libraries

# The backbone as it is with the head alone in training: what every method is compared to.
REFERENCE = "frozen"
# Keys that the reference has not: what sets them is meant for the others.
_ADAPTER = "model.backbone.adapter."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method that is ready to run: its model, its optimizer, and the batch that all share."""

    method: str
    model: Any
    optim_wrapper: Any
    inputs_B3HW: Tensor
    samples: list[SegDataSample]

    def train(self) -> None:
        """One iteration of training, as mmengine's `train_step` with the preprocessing done."""
        with self.optim_wrapper.optim_context(self.model):
            loss, _ = self.model.parse_losses(self.model(self.inputs_B3HW, self.samples, mode="loss"))
            self.optim_wrapper.update_params(loss)

    @torch.no_grad()
    def infer(self) -> None:
        """Class scores of the crops, at their size."""
        with autocast(self.optim_wrapper.precision, self.inputs_B3HW.device.type):
            self.model.encode_decode(self.inputs_B3HW, [sample.metainfo for sample in self.samples])


def compose_methods(
    cell: Cell, methods: Sequence[str], *, overrides: Sequence[str], weights: str | None, on_progress: OnProgress
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the configuration of each method, the reference first, and why the others have none.

    Args:
        cell: What is the same for all; its method is not read.
        methods: Names of methods, with or without the reference.
        overrides: `key=value` texts, for all methods; those of adapters for all that have one.
        weights: As for `compose`.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        RsAdaptError: The reference cannot be composed or built: the fault is no method's.
    """
    cfgs: dict[str, Any] = {}
    refused: dict[str, str] = {}
    names = list(dict.fromkeys([REFERENCE, *methods]))
    for done, method in enumerate(names, start=1):
        try:
            texts = [text for text in overrides if method != REFERENCE or not text.strip().startswith(_ADAPTER)]
            cfg = compose(dataclasses.replace(cell, method=method), overrides=texts, weights=weights)
            load_libraries(cfg.default_scope)
            # Free of memory and time: what a class refuses is known before the first measurement.
            build_on_meta(cfg)
        except (ConfigError, ImportError) as error:
            if method == REFERENCE:
                raise
            refused[method] = str(error)
        else:
            cfgs[method] = cfg
        on_progress("methods checked", done, len(names))
    return cfgs, refused


def build_candidates(cfgs: Mapping[str, Any], on_progress: OnProgress) -> list[Candidate]:
    """Build every method's model and optimizer on the device in use; all share one batch of random crops."""
    candidates: list[Candidate] = []
    frozen: dict[str, Tensor] = {}
    batch = None
    for done, (method, cfg) in enumerate(cfgs.items(), start=1):
        with blaming(method):
            torch.manual_seed(cfg.randomness.seed)
            model = build_model(cfg)
            _share_frozen(model, frozen)
            if batch is None:
                batch = model.data_preprocessor(_random_crops(cfg), True)
            candidates.append(
                Candidate(
                    method=method,
                    model=model,
                    optim_wrapper=_optim_wrapper(model, cfg),
                    inputs_B3HW=batch["inputs"],
                    samples=batch["data_samples"],
                )
            )
        on_progress("models built", done, len(cfgs))
    return candidates


@contextmanager
def blaming(method: str) -> Iterator[None]:
    """Say which method it was that failed."""
    try:
        yield
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"method {method}: {error} on random labels. Try a lower learning rate (--set optim.lr=...)."
        ) from error
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"method {method} does not fit into the GPU's memory beside the other methods. Compare fewer at a time "
            "with --methods, or take --batch-size 1."
        ) from error


def _optim_wrapper(model: Any, cfg: Any) -> Any:
    """As the Runner builds it, without the lines about every tensor that mmengine logs."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        return build_optim_wrapper(model, cfg.optim_wrapper)
    finally:
        logger.setLevel(level)


def _share_frozen(model: Any, shared: dict[str, Tensor]) -> None:
    """Keep equal frozen weights of the models once: many methods then fit into the memory that one needs."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            continue
        # A layer that a method has wrapped is one name further down.
        key = ".".join(part for part in name.split(".") if part != "base")
        kept = shared.setdefault(key, parameter.data)
        if kept.shape == parameter.shape and torch.equal(kept, parameter.data):
            parameter.data = kept


def _random_crops(cfg: Any) -> dict[str, Any]:
    """Return a batch as a loader gives it: noise (3, H, W) uint8, and a class at random for every pixel."""
    size, count = cfg.bench.crop_px, cfg.train_dataloader.batch_size
    rng = np.random.default_rng(cfg.randomness.seed)
    images = rng.integers(0, 256, (count, 3, size, size), dtype=np.uint8)
    labels = rng.integers(0, len(cfg.bench.classes), (count, 1, size, size))
    samples = [
        SegDataSample(
            gt_sem_seg=PixelData(data=torch.from_numpy(label)),
            metainfo={"img_shape": (size, size), "ori_shape": (size, size)},
        )
        for label in labels
    ]
    return {"inputs": [torch.from_numpy(image) for image in images], "data_samples": samples}
