"""`metrics.jsonl` of a run folder: losses, learning rate and scores, one JSON object a line."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from rs_adapt.engine.parts import unwrapped
from rs_adapt.files import write_text
from rs_adapt.registry import HOOKS
from rs_adapt.runs.files import METRICS_FILE
from rs_adapt.runs.metrics import evaluation_line, finite, read_metrics

_SHARE_DIGITS = 5


@HOOKS.register_module()
class MetricsHook(Hook):  # type: ignore[misc]
    """Appends to `metrics.jsonl`; of several processes the first one does.

    Training lines: `iter` (done, from 1), `lr`, `loss` and its parts (means over all iterations since the last line; a
    part counts as 0 where it is missing, as `mix.*` before the warm-up ends, so the parts add up to `loss`), `iter_s`,
    `memory_mib` (peak, GPU only), and if the model has a `PseudoLabelHealth` named `health` that observed anything
    since the last line: `health` with `source_share` and `teacher_share` by class, `confidence`, `agreement`, and
    `alarm`, a sentence or null, which looks at the last few hundred images however many a line covers.
    Evaluation lines: `iter`, of a target with labels `miou_pct`, `aacc_pct`, `macc_pct` and `iou_pct` by class; the
    same of tiles of the source in `source_val`; and in `label_free` the statistics of `LabelFreeMetric`.

    Attributes:
        last_health: `health` of the last line that has it; None before.
        last_line: The last line that was written; None before, and in other processes than the first.
        alarm_subjects: What its alarm is about; see `rs_adapt.strategies.health.alarm_subjects`.

    Args:
        interval: Iterations between two training lines; None for 50, or less in a run of less than 2500 iterations.
    """

    # Before the state is written, so that a resumed run finds the lines up to its iteration.
    priority = "LOW"

    def __init__(self, *, interval: int | None = None) -> None:
        self.interval = interval
        # What has been added up since the last line; part of the training state.
        self.sums: dict[str, float] = {}
        self.count = 0
        self.last_health: dict[str, Any] | None = None
        self.last_line: dict[str, Any] | None = None
        self.alarm_subjects: frozenset[str] = frozenset()
        self._since_s = time.perf_counter()
        self._timed = 0

    def before_train_epoch(self, runner: Any) -> None:
        """Drop lines beyond the iteration that training starts from: they belong to work that is done again."""
        if self.interval is None:
            self.interval = min(50, max(1, runner.max_iters // 50))
        if is_main_process():
            path = Path(runner.work_dir) / METRICS_FILE
            kept = [line for line in read_metrics(Path(runner.work_dir)) if line["iter"] <= runner.iter]
            write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._since_s = time.perf_counter()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Add up the losses; write a line every `interval` iterations and at the last one."""
        for name in outputs or {}:
            # mmengine has fetched the value from the device already; asking the tensor again would wait for it again.
            # As a plain float: a state file with numpy's own kind of number in it would be refused.
            value = float(runner.message_hub.get_scalar(f"train/{name}").current())
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        self._timed += 1
        done = runner.iter + 1
        assert self.interval is not None
        if done % self.interval and done != runner.max_iters:
            return
        now_s = time.perf_counter()
        line = {"iter": done, "lr": runner.message_hub.get_scalar("train/lr").current()}
        line |= {name: value / self.count for name, value in self.sums.items()}
        line["iter_s"] = round((now_s - self._since_s) / self._timed, 4)
        if torch.cuda.is_available():
            line["memory_mib"] = torch.cuda.max_memory_allocated() // 2**20
        if (health := self._take_health(runner)) is not None:
            line["health"] = health
        self._write(runner, line)
        self.sums, self.count, self._since_s, self._timed = {}, 0, now_s, 0

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the scores of an evaluation during training."""
        self._write(runner, evaluation_line(runner.iter, metrics or {}))
        # The time of the evaluation belongs to no training iteration.
        self._since_s, self._timed = time.perf_counter(), 0

    def _take_health(self, runner: Any) -> dict[str, Any] | None:
        """What the model's `PseudoLabelHealth` has observed since the last line, which it then forgets."""
        health = getattr(unwrapped(runner.model), "health", None)
        if health is None:
            return None
        # Not above: it loads mmsegmentation, which a model with such an attribute has loaded already.
        from rs_adapt.strategies.health import PseudoLabelHealth, alarm_subjects, collapse_alarm

        if not isinstance(health, PseudoLabelHealth) or (summary := health.summary()) is None:
            return None
        health.reset()
        recent = health.recent_shares()
        bench = runner.cfg.get("bench")
        classes = bench.classes if bench else [f"class {k}" for k in range(health.num_classes)]
        self.last_health = {
            "source_share": _by_class(classes, summary.source_share),
            "teacher_share": _by_class(classes, summary.teacher_share),
            "confidence": round(summary.confidence, _SHARE_DIGITS),
            "agreement": None if summary.agreement is None else round(summary.agreement, _SHARE_DIGITS),
            "alarm": recent and collapse_alarm(recent, classes),
        }
        self.alarm_subjects = alarm_subjects(recent, classes) if recent else frozenset()
        return self.last_health

    def _write(self, runner: Any, line: dict[str, Any]) -> None:
        if not is_main_process():
            return
        self.last_line = finite(line)
        with (Path(runner.work_dir) / METRICS_FILE).open("a") as file:
            file.write(json.dumps(self.last_line) + "\n")


def _by_class(classes: Sequence[str], shares: Sequence[float]) -> dict[str, float]:
    return {name: round(share, _SHARE_DIGITS) for name, share in zip(classes, shares, strict=True)}
