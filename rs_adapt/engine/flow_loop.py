"""Evaluation of super-resolution: the loop during training, and one pass over a split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.runner import Runner
from mmengine.runner import ValLoop as MMValLoop

from rs_adapt.engine.loaders import end_processes
from rs_adapt.engine.optim import Precision, autocast
from rs_adapt.engine.parts import unwrapped
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import LOOPS, METRICS

if TYPE_CHECKING:
    from torch import nn

    from rs_adapt.turbulence.image_scores import ImageScore


# The first argument of `on_progress` while images are scored.
SCORING = "scoring images"


@LOOPS.register_module()
class FlowValLoop(MMValLoop):  # type: ignore[misc]
    """Validation of super-resolution on the validation snapshots, in the run's precision.

    Args:
        runner: The runner.
        dataloader: Loader or its config.
        evaluator: Evaluator or its config.
        precision: "fp32" or "bf16".
    """

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, precision: Precision = "fp32") -> None:
        super().__init__(runner, dataloader, evaluator)
        self.precision: Precision = precision
        prepare_metric(self.evaluator.metrics[0], self.dataloader)

    @property
    def num_batches(self) -> int:
        """Number of batches that an evaluation predicts."""
        return len(self.dataloader)

    def run(self) -> dict[str, float]:
        """Evaluate, and return the scores that are passed to hooks."""
        runner = self.runner
        runner.call_hook("before_val")
        runner.call_hook("before_val_epoch")
        runner.model.eval()
        for index, batch in enumerate(self.dataloader):
            runner.call_hook("before_val_iter", batch_idx=index, data_batch=batch)
            samples = predict(runner.model, batch, precision=self.precision)
            self.evaluator.process(data_samples=samples, data_batch=batch)
            runner.call_hook("after_val_iter", batch_idx=index, data_batch=batch, outputs=samples)
        scores: dict[str, float] = self.evaluator.evaluate(len(self.dataloader.dataset))
        runner.call_hook("after_val_epoch", metrics=scores)
        runner.call_hook("after_val")
        return scores


def prepare_metric(metric: Any, loader: Any) -> None:
    """Give a `FlowMetric` the facts of the images that it measures."""
    images = loader.dataset.images
    metric.value_range, metric.is_periodic = images.value_range, images.facts.is_periodic
    metric.is_velocity = images.facts.content == "velocity"


@torch.no_grad()
def predict(model: nn.Module, batch: Any, *, precision: Precision) -> list[Any]:
    """Return the reconstructions of a batch."""
    inner = unwrapped(model)
    with autocast(precision, inner.data_preprocessor.device.type):
        data = inner.data_preprocessor(batch, False)
        return list(inner(**data, mode="predict"))


def score_images(
    model: nn.Module,
    loader: Any,
    metric_settings: dict[str, Any],
    *,
    precision: Precision,
    on_progress: OnProgress = no_progress,
) -> tuple[ImageScore, ...]:
    """Reconstruct every image of a loader and return its scores.

    Args:
        model: The model, which is put into eval mode.
        loader: Loader of a split; it must not shuffle.
        metric_settings: Settings of `FlowMetric`.
        precision: "fp32" or "bf16".
        on_progress: Called at the start and after each batch.
    """
    metric = METRICS.build(metric_settings)
    prepare_metric(metric, loader)
    model.eval()
    on_progress(SCORING, 0, len(loader))
    try:
        for done, batch in enumerate(loader, start=1):
            metric.process(batch, predict(model, batch, precision=precision))
            on_progress(SCORING, done, len(loader))
    finally:
        end_processes(loader)
    return tuple(metric.results)
