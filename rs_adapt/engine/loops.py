"""mmengine's evaluation loops in the precision of the run, with the statistics besides the score."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.runner import TestLoop as MMTestLoop
from mmengine.runner import ValLoop as MMValLoop
from mmengine.structures import PixelData
from torch import nn

from rs_adapt.config.class_means import seen_words
from rs_adapt.datasets.roles import reads_source_val
from rs_adapt.engine.build import trains_on_source_val
from rs_adapt.engine.compiling import eager_blocks
from rs_adapt.engine.forward import predict_batch
from rs_adapt.engine.optim import Precision
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.engine.sharding import whole_base
from rs_adapt.metrics.label_free import LabelFreeMetric
from rs_adapt.metrics.source_reference import RESULT, SourceReferenceMetric
from rs_adapt.registry import LOOPS, METRICS

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample


@LOOPS.register_module()
class ValLoop(MMValLoop):  # type: ignore[misc]
    """Validation in the run's precision: on the target, on tiles of the source, and on target images without labels.

    The scores of the target keep their names (`miou_pct`, `iou_pct/<class>`); those of the source are `source_val/...`,
    and the statistics of `LabelFreeMetric` `label_free/...`. The loaders of source tiles and label-free images are
    `monitor` of the runner's configuration; without that table only the loop's own loader is run.

    Args:
        runner: The runner.
        dataloader: Loader or its config.
        evaluator: Evaluator or its config.
        precision: "fp32" or "bf16".
        region: Region of the loader's tiles: "target", or "source" where the target has no labels; "none" where the
            loader has no labels to score either.
        weights: "student", or "teacher" for the averaged weights of self-training.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        evaluator: Any,
        precision: Precision = "fp32",
        region: Literal["target", "source", "none"] = "target",
        weights: Literal["student", "teacher"] = "student",
    ) -> None:
        super().__init__(runner, dataloader, evaluator)
        self.precision: Precision = precision
        self.region = region
        self.weights = weights
        self._monitors: dict[str, tuple[Any, Evaluator]] | None = None

    @property
    def by_image(self) -> list[tuple[str, Any]]:
        """Path and confusion matrix (K, K) of each target tile in the last evaluation; empty without target labels."""
        metrics = self.evaluator.metrics[:1] if self.region == "target" else []
        return [pair for metric in metrics for pair in getattr(metric, "by_image", [])]

    @property
    def num_batches(self) -> int:
        """Number of batches that an evaluation predicts, those of the monitors included."""
        own = 0 if self.region == "none" else len(self.dataloader)
        return own + sum(len(loader) for loader, _ in self._build_monitors().values())

    def run(self) -> dict[str, float]:
        """Evaluate, and return the scores that are passed to hooks."""
        runner = self.runner
        runner.call_hook("before_val")
        runner.call_hook("before_val_epoch")
        runner.model.eval()
        backbone = segmentor_of(runner.model).backbone
        with evaluated_weights(runner.model, self.weights), whole_base(backbone), eager_blocks(backbone):
            monitors = self._build_monitors()
            scores = {} if self.region == "none" else self._evaluate_set(self.dataloader, self.evaluator)
            reference = scores.pop(RESULT, None)
            if self.region == "source":
                scores = _add_prefix("source_val", scores)
            # Those of the source come first, because confidence on the target is read against them.
            for name in sorted(monitors, key=lambda name: name == "label_free"):
                loader, evaluator = monitors[name]
                if name == "label_free":
                    evaluator.metrics[0].reference = reference
                of_set = self._evaluate_set(loader, evaluator, both=name == "label_free")
                reference = of_set.pop(RESULT, reference)
                scores |= _add_prefix(name, of_set)
        runner.call_hook("after_val_epoch", metrics=scores)
        runner.call_hook("after_val")
        return scores

    def _evaluate_set(self, loader: Any, evaluator: Evaluator, *, both: bool = False) -> dict[str, Any]:
        """Predict and evaluate a set; `both` adds predictions with self-training's other weights."""
        other = other_weights(self.runner.model) if both else None
        for index, batch in enumerate(loader):
            self.runner.call_hook("before_val_iter", batch_idx=index, data_batch=batch)
            samples = self._predict(batch)
            if other is not None:
                with other():
                    for sample, twin in zip(samples, self._predict(batch), strict=True):
                        sample.other_sem_seg = PixelData(data=twin.pred_sem_seg.data)
            evaluator.process(data_samples=samples, data_batch=batch)
            self.runner.call_hook("after_val_iter", batch_idx=index, data_batch=batch, outputs=samples)
        return dict(evaluator.evaluate(len(loader.dataset)))

    def _predict(self, batch: Any) -> list[SegDataSample]:
        return predict_batch(self.runner.model, batch, precision=self.precision)

    def _build_monitors(self) -> dict[str, tuple[Any, Evaluator]]:
        if self._monitors is None:
            cfg = self.runner.cfg
            settings = cfg.get("monitor") or {}
            head = segmentor_of(self.runner.model).decode_head
            # Confidence on tiles that the run learns from says nothing about others.
            references = [] if trains_on_source_val(cfg) else [self._source_reference(head)]
            # In ss the labelled region is the target.
            if self.region == "source" or (self.region == "target" and settings and not settings.get("source_val")):
                self.evaluator.metrics += references
            # Where the loop's own loader holds the source's tiles, they need no second evaluation.
            has_source = settings and self.region != "source" and reads_source_val(cfg)
            names = [name for name in settings if settings[name] and (name != "source_val" or has_source)]
            self._monitors = {
                name: (
                    self.runner.build_dataloader(settings[name], seed=self.runner.seed),
                    Evaluator(
                        LabelFreeMetric(kind=head.score_kind)
                        if name == "label_free"
                        else [METRICS.build(_source_metric(cfg.val_evaluator)), *references]
                    ),
                )
                for name in names
            }
        return self._monitors

    def _source_reference(self, head: Any) -> SourceReferenceMetric:
        return SourceReferenceMetric(kind=head.score_kind, ignore_index=self.runner.cfg.val_evaluator.ignore_index)


@LOOPS.register_module()
class TestLoop(MMTestLoop):  # type: ignore[misc]
    """Test in the run's precision.

    Args:
        runner: The runner.
        dataloader: Loader or its config.
        evaluator: Evaluator or its config.
        precision: "fp32" or "bf16".
    """

    __test__ = False  # not a class of tests, in spite of its name

    def __init__(self, runner: Runner, dataloader: Any, evaluator: Any, precision: Precision = "fp32") -> None:
        super().__init__(runner, dataloader, evaluator)
        self.precision: Precision = precision

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Predict one batch and hand it to the evaluator."""
        self.runner.call_hook("before_test_iter", batch_idx=idx, data_batch=data_batch)
        samples = predict_batch(self.runner.model, data_batch, precision=self.precision)
        self.evaluator.process(data_samples=samples, data_batch=data_batch)
        self.runner.call_hook("after_test_iter", batch_idx=idx, data_batch=data_batch, outputs=samples)


def evaluated_weights(model: nn.Module, weights: str) -> AbstractContextManager[None]:
    """Return a context in which the model holds the weights that a protocol evaluates."""
    if weights == "student":
        return nullcontext()
    context: AbstractContextManager[None] = unwrapped(model).as_teacher()
    return context


def other_weights(model: nn.Module) -> Callable[[], AbstractContextManager[None]] | None:
    """Return a function that makes a context with self-training's other weights; None for a model without a teacher.

    The context exchanges student and teacher, whichever of the two the model holds.
    """
    return getattr(unwrapped(model), "as_teacher", None)


def _source_metric(settings: Any) -> dict[str, Any]:
    """Return the metric of the source's tiles: with an open vocabulary they have labels of the seen classes alone."""
    return {**settings, "scored": seen_words(settings["scored"])}


def _add_prefix(name: str, scores: Iterable[tuple[str, float]] | dict[str, float]) -> dict[str, float]:
    return {f"{name}/{key}": value for key, value in dict(scores).items()}
