"""Training steps of the project as `rs-adapt train` runs them, on random images that lie on the device.

Model, strategy and optimizer come from a composed configuration, as the Runner builds them; a step is the model's
`train_step` with the optimizer wrapper, after the iteration's seed was set. Left out are loaders, the copy of a batch
to the device, hooks and the schedule.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from gpu_speed.joined import JoinedSelfTraining
from gpu_speed.plain import plain_model
from gpu_speed.works import Work
from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.compiling import compile_blocks, compiler_settings
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.engine.recomputing import cast_weights_once
from rs_adapt.engine.state import seed_iteration
from rs_adapt.heads.deformable import let_gather
from rs_adapt.registry import MODELS, load_libraries

BLOCK_PX = 16
# Mask2Former in the form for a CPU, with one layer of each kind and few points.
TOY_OVERRIDES = [
    "bench.crop_px=64",
    "model.decode_head.num_points=64",
    "model.decode_head.encoder_layers=1",
    "model.decode_head.decoder_layers=1",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainer:
    """A model that is ready to train.

    Attributes:
        model: A segmentor, or a strategy around one.
        optim_wrapper: The optimizer of what trains.
        images: Random images (N, 3, H, W) uint8 of each region: `source`, and `target` where the strategy needs it.
        labels: Labels (N, 1, H, W) int64 of the source.
        marks_steps: Whether a step begins with a mark, after which memory of CUDA graphs of the step before is free.
    """

    model: Any
    optim_wrapper: Any
    images: dict[str, Tensor]
    labels: Tensor
    marks_steps: bool = False

    @property
    def num_images(self) -> int:
        """Images of an iteration, those of both regions."""
        return sum(len(images) for images in self.images.values())

    def batch(self) -> Any:
        """Return a batch as the loader gives it; its samples are new, because the preprocessor writes to them."""
        batches = {}
        for region, images in self.images.items():
            size = {"img_shape": tuple(images.shape[-2:]), "ori_shape": tuple(images.shape[-2:])}
            samples = [SegDataSample(metainfo=dict(size)) for _ in images]
            if region == "source":
                for sample, label in zip(samples, self.labels, strict=True):
                    sample.gt_sem_seg = PixelData(data=label)
            batches[region] = {"inputs": list(images), "data_samples": samples}
        return batches if "target" in batches else batches["source"]

    def step(self, number: int, batch: Any = None) -> dict[str, Tensor]:
        """Train one iteration and return the losses, on the device."""
        seed_iteration(0, number)
        if self.marks_steps:
            torch.compiler.cudagraph_mark_step_begin()
        losses: dict[str, Tensor] = self.model.train_step(batch or self.batch(), self.optim_wrapper)
        return losses


def build_ours(
    work: Work, *, device: str, toy: bool, head: str = "mask2former", settings: Sequence[str] = ()
) -> tuple[Trainer, Any]:
    """Return the project's own trainer of a work, and its configuration.

    Args:
        work: The work.
        device: `cpu` or a CUDA device.
        toy: Small models of the self-test.
        head: Name of the head, except for toys.
        settings: Further `KEY=VALUE` of the configuration.
    """
    cell = resolve_cell(
        f"loveda-{work.setting}",
        method=work.method,
        backbone=work.backbone,
        head="mask2former_small" if toy else head,
        strategy="dacs" if work.setting == "da" else "source_only",
    )
    overrides = [f"runtime.precision={'bf16' if work.precision == 'bf16' else 'fp32'}", *(TOY_OVERRIDES if toy else [])]
    if work.setting == "da":
        # From the first iteration on: what is measured is adaptation, not the iterations before it.
        overrides.append("strategy.warmup_iters=0")
    cfg = compose(cell, weights="random", overrides=[*overrides, *settings])
    load_libraries(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(cfg.model)).to(device)
    cast_weights_once(cfg, model)
    return _trainer(model, cfg, *_random_batch(cfg, work.setting, device)), cfg


def build_form(form: str, ours: Trainer, cfg: Any, *, generate: bool = False) -> Trainer:
    """Return a different form of an untrained trainer, with copies of its weights and with the same images.

    Args:
        form: `plain`, `compiled`, `blocks`, `graphs`, `joined` or `gather`.
        ours: The trainer; it stays as it is.
        cfg: Its configuration.
        generate: Whether a compiled form has code of its own on a CPU, too.
    """
    # On a CPU the toy sizes are compiled without code generation, which only tests the way.
    backend = "inductor" if ours.labels.is_cuda or generate else "eager"
    if form == "plain":
        model = plain_model(ours.model, cfg)
    elif form == "joined":
        model = copy.deepcopy(ours.model)
        model.__class__ = JoinedSelfTraining
    elif form == "gather":
        model = copy.deepcopy(ours.model)
        let_gather(model)
    elif form in ("blocks", "graphs"):
        model = copy.deepcopy(ours.model)
        # For the life of the process, which has several forms.
        compiler_settings().__enter__()
        compile_blocks(segmentor_of(model).backbone, backend=backend, cuda_graphs=form == "graphs")
    else:
        model = copy.deepcopy(ours.model)
        backbone = segmentor_of(model).backbone
        with torch.no_grad():
            # Fills what an adapter stores for the grid: the second pass would be compiled again otherwise.
            backbone(ours.images["source"].float())
        backbone.compile(backend=backend, dynamic=False)
    trainer = _trainer(model, cfg, ours.images, ours.labels)
    return replace(trainer, marks_steps=True) if form == "graphs" else trainer


def _trainer(model: Any, cfg: Any, images: dict[str, Tensor], labels: Tensor) -> Trainer:
    logger = MMLogger.get_current_instance()
    level = logger.level
    # A line for every tensor.
    logger.setLevel("ERROR")
    try:
        optim_wrapper = build_optim_wrapper(model.train(), cfg.optim_wrapper)
    finally:
        logger.setLevel(level)
    return Trainer(model=model, optim_wrapper=optim_wrapper, images=images, labels=labels)


def _random_batch(cfg: Any, setting: str, device: str) -> tuple[dict[str, Tensor], Tensor]:
    """Return noise for images, and labels in blocks of 16 px with a random class each."""
    generator = torch.Generator().manual_seed(0)
    count, size = cfg.train_dataloader.batch_size, cfg.bench.crop_px
    images = {
        region: torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8).to(device)
        for region in (("source", "target") if setting == "da" else ("source",))
    }
    blocks = torch.randint(
        0, len(cfg.bench.classes), (count, 1, size // BLOCK_PX, size // BLOCK_PX), generator=generator
    )
    labels = blocks.repeat_interleave(BLOCK_PX, dim=-2).repeat_interleave(BLOCK_PX, dim=-1).to(device)
    return images, labels


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Permit TF32 in matrix products for `tf32`; leave torch's default, as `rs-adapt train` does, for the others."""
    before = torch.get_float32_matmul_precision()
    if precision == "tf32":
        torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def settle(device: str) -> Callable[[], None]:
    """Return a function that waits until the device is done; on a CPU it does nothing."""
    return torch.cuda.synchronize if device.startswith("cuda") else lambda: None
