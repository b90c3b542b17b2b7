"""The methods of a cost comparison, composed and built on one frozen backbone, with one batch for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.config import Cell, compose
from rs_adapt.config.execution import require_processes
from rs_adapt.engine.build import build_model
from rs_adapt.engine.compiling import compiles_blocks
from rs_adapt.engine.optim import autocast
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recomputing import gather_attention, recompute_blocks, store_base
from rs_adapt.errors import ConfigError, NonFiniteLoss
from rs_adapt.progress import OnProgress
from rs_adapt.registry import load_libraries

if TYPE_CHECKING:
    from mmseg.models import BaseSegmentor

    from rs_adapt.config.resolved import ResolvedConfig

# The frozen backbone, with only the head trained: every method is compared with it.
REFERENCE = "frozen"
# Keys that the reference lacks: overrides of them apply to the other methods alone.
_ADAPTER = "model.backbone.adapter."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A method that is ready to run: its model, its optimizer, and the batch that all methods share.

    Attributes:
        method: Name of the method.
        model: The segmentor, on the device in use.
        optim_wrapper: Optimizer of its trainable parameters, with the precision of training.
        inputs_B3HW: Normalized crops (B, 3, H, W), float.
        samples: Labels and sizes of the crops.
    """

    method: str
    model: BaseSegmentor
    optim_wrapper: OptimWrapper
    inputs_B3HW: Tensor
    samples: list[SegDataSample]

    def train(self) -> None:
        """Run one iteration of training: mmengine's `train_step` without the preprocessing."""
        with self.optim_wrapper.optim_context(self.model):
            loss, _ = self.model.parse_losses(self.model(self.inputs_B3HW, self.samples, mode="loss"))
            self.optim_wrapper.update_params(loss)

    @torch.no_grad()
    def infer(self) -> None:
        """Compute the class scores of the crops, at the size of the crops."""
        with autocast(self.optim_wrapper.precision, self.inputs_B3HW.device.type):
            self.model.encode_decode(self.inputs_B3HW, [sample.metainfo for sample in self.samples])


def compose_methods(
    cell: Cell, methods: Sequence[str], *, overrides: Sequence[str], weights: str | None, on_progress: OnProgress
) -> tuple[dict[str, ResolvedConfig], dict[str, str]]:
    """Return the configuration of each method, the reference first, and the reason for each method that has none.

    Args:
        cell: The cell that all methods share; its method is not read.
        methods: Names of methods, with or without the reference.
        overrides: `key=value` texts for all methods; those for the adapter apply to every method that has one.
        weights: Base weights, as for `compose`.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        RsAdaptError: The reference cannot be composed or built, so no method can.
    """
    cfgs: dict[str, ResolvedConfig] = {}
    refused: dict[str, str] = {}
    names = list(dict.fromkeys([REFERENCE, *methods]))
    for count, method in enumerate(names, start=1):
        try:
            texts = [text for text in overrides if method != REFERENCE or not text.strip().startswith(_ADAPTER)]
            cfg = compose(dataclasses.replace(cell, method=method), overrides=texts, weights=weights)
            require_processes(cfg.runtime.get("sharding"), 1)
            if compiles_blocks(cfg):
                raise ConfigError(
                    "runtime.compile=blocks is not measured here: the graphs of all methods would be compiled in one "
                    "process. Leave it out; `benchmarks/whole_step.py` measures it for one method."
                )
            load_libraries(cfg.default_scope)
            # Costs neither memory nor time, and raises what the method refuses before the first measurement.
            store_base(cfg, build_on_meta(cfg))
        except (ConfigError, ImportError) as error:
            if method == REFERENCE:
                raise
            refused[method] = str(error)
        else:
            cfgs[method] = cfg
        on_progress("methods checked", count, len(names))
    return cfgs, refused


def build_candidates(cfgs: Mapping[str, ResolvedConfig], on_progress: OnProgress) -> list[Candidate]:
    """Build model and optimizer of every method on the device in use; all share one batch of random crops."""
    candidates: list[Candidate] = []
    frozen: dict[str, Tensor] = {}
    batch = None
    for count, (method, cfg) in enumerate(cfgs.items(), start=1):
        with name_method_in_errors(method):
            torch.manual_seed(cfg.randomness.seed)
            model = build_model(cfg)
            recompute_blocks(cfg, model)
            gather_attention(cfg, model)
            store_base(cfg, model)
            _share_frozen(model, frozen)
            if batch is None:
                batch = model.data_preprocessor(random_crops(cfg, cfg.train_dataloader.batch_size), True)
            candidates.append(
                Candidate(
                    method=method,
                    model=model,
                    optim_wrapper=build_optimizer(model, cfg),
                    inputs_B3HW=batch["inputs"],
                    samples=batch["data_samples"],
                )
            )
        on_progress("models built", count, len(cfgs))
    return candidates


@contextmanager
def name_method_in_errors(method: str) -> Iterator[None]:
    """Add the name of the method to an error that its run raises.

    Raises:
        NonFiniteLoss: The loss is not finite.
        ConfigError: The GPU does not have enough memory.
    """
    try:
        yield
    except NonFiniteLoss as error:
        raise NonFiniteLoss(
            f"Method {method}: {error} on random labels. Try a lower learning rate (--set optim.lr=...)."
        ) from error
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"Method {method} does not fit into the GPU's memory with the other methods. Compare fewer at a time "
            "with --methods, or use --batch-size 1."
        ) from error


def build_optimizer(model: nn.Module, cfg: ResolvedConfig) -> OptimWrapper:
    """Build the optimizer as the Runner does, without mmengine's log line for every tensor."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        return build_optim_wrapper(model, cfg.optim_wrapper)
    finally:
        logger.setLevel(level)


def _share_frozen(model: nn.Module, shared: dict[str, Tensor]) -> None:
    """Let the models share equal frozen weights: many methods then need hardly more memory than one."""
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            continue
        # A method that wraps a layer puts it one level deeper, under the name `base`.
        key = ".".join(part for part in name.split(".") if part != "base")
        stored = shared.setdefault(key, parameter.data)
        same_kind = (stored.shape, stored.dtype) == (parameter.shape, parameter.dtype)
        if same_kind and torch.equal(stored, parameter.data):
            parameter.data = stored


def random_crops(cfg: ResolvedConfig, count: int) -> dict[str, list[Tensor] | list[SegDataSample]]:
    """Return a batch as a loader does: noise images (3, H, W) uint8, and a random class for every pixel."""
    size = cfg.bench.crop_px
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
