"""Writer of `metrics.jsonl` in a run folder: losses, learning rate and scores, one JSON object per line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.dist import is_main_process

from rs_adapt.documents import parse_json
from rs_adapt.engine.parts import unwrapped
from rs_adapt.files import write_text
from rs_adapt.links import append_bytes
from rs_adapt.runs.files import METRICS_FILE
from rs_adapt.runs.metrics import evaluation_after, evaluation_line, finite, metrics_line, read_metrics
from rs_adapt.runs.records import EvaluationLine, Health, MetricsLine, TrainingLine

if TYPE_CHECKING:
    from mmengine.runner import Runner

_SHARE_DIGITS = 5


class MetricsWriter:
    """Appends lines to `metrics.jsonl`, on rank 0 only; the other ranks accumulate the same values.

    Training lines: `iter` (iterations done, from 1), `lr`, `loss` and its parts (means over all iterations since the
    previous line; a part counts as 0 where it is missing, as `mix.*` before the warm-up ends, so the parts add up to
    `loss`), `iter_s`, `memory_mib` (peak, GPU only), and if the model has a `PseudoLabelHealth` named `health` that
    observed anything since the previous line: `health` with `source_share` and `teacher_share` by class, `confidence`,
    `weight`, `agreement`, and `alarm`, a sentence or null, which covers the last few hundred images however many a line
    covers. Evaluation lines: `iter`, for a target with labels `miou_pct`, `aacc_pct`, `macc_pct` and `iou_pct` by
    class; the same for tiles of the source in `source_val`; and in `label_free` the statistics of `LabelFreeMetric`.

    Attributes:
        alarm_subjects: Subjects of the last alarm; see `rs_adapt.strategies.health.alarm_subjects`.

    Args:
        interval: Iterations between two training lines; None for 50, or fewer in a run of less than 2500 iterations.
    """

    def __init__(self, *, interval: int | None = None) -> None:
        self.interval = interval
        self.alarm_subjects: frozenset[str] = frozenset()
        # Accumulated since the last line; part of the training state.
        self._sums: dict[str, float] = {}
        self._count = 0
        self._since_s = time.perf_counter()
        self._timed = 0
        self._file = Path(METRICS_FILE)
        # The text of the file when the state was saved; None without a state, and for one of an older version.
        self._saved: str | None = None

    def start(self, run_dir: Path, *, iteration: int, max_iters: int) -> None:
        """Open the file of a run folder, and drop lines after the iteration that training starts from.

        They belong to iterations that are repeated. The lines that were there when the state was saved come from the
        state, so that a file that was damaged since is whole again.
        """
        if self.interval is None:
            self.interval = min(50, max(1, max_iters // 50))
        self._file = run_dir / METRICS_FILE
        if is_main_process():
            if self._saved is None:
                lines = [line for line in read_metrics(run_dir) if line.iter <= iteration]
                text = "".join(_format(line) for line in lines)
            else:
                evaluation = evaluation_after(run_dir, self._saved, iteration)
                text = self._saved + ("" if evaluation is None else _format(evaluation))
            write_text(self._file, text)
        self._since_s = time.perf_counter()

    def add_iteration(self, runner: Runner, *, losses: Sequence[str]) -> TrainingLine | None:
        """Accumulate the losses of an iteration, and write a line every `interval` iterations and after the last one.

        Args:
            runner: The runner, in this iteration.
            losses: Names of the losses of this iteration.

        Returns:
            The line, if one is due.
        """
        for name in losses:
            # mmengine has fetched the value from the device already; reading the tensor would synchronise again.
            # A plain float, because a state file with a numpy scalar would be refused.
            value = float(runner.message_hub.get_scalar(f"train/{name}").current())
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        self._timed += 1
        done = runner.iter + 1
        assert self.interval is not None
        if done % self.interval and done != runner.max_iters:
            return None
        now_s = time.perf_counter()
        values: dict[str, Any] = {"iter": done, "lr": runner.message_hub.get_scalar("train/lr").current()}
        values |= {name: value / self._count for name, value in self._sums.items()}
        values["iter_s"] = round((now_s - self._since_s) / self._timed, 4)
        if torch.cuda.is_available():
            values["memory_mib"] = torch.cuda.max_memory_allocated() // 2**20
        if (health := self._take_health(runner)) is not None:
            values["health"] = health
        self._sums, self._count, self._since_s, self._timed = {}, 0, now_s, 0
        line = TrainingLine(**finite(values))
        self._write(line)
        return line

    def add_evaluation(self, iteration: int, scores: Mapping[str, float]) -> EvaluationLine:
        """Write and return the line of an evaluation during training."""
        line = evaluation_line(iteration, scores)
        self._write(line)
        # The time of the evaluation belongs to no training iteration.
        self._since_s, self._timed = time.perf_counter(), 0
        return line

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the losses since the last line and the lines so far, for the training state."""
        text = self._file.read_text(encoding="utf-8") if self._file.is_file() else ""
        return {"sums": self._sums, "count": self._count, "text": text}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the content of `state_dict`."""
        self._sums = {str(name): float(value) for name, value in state["sums"].items()}
        self._count = int(state["count"])
        text = state.get("text")
        if text is not None:
            for line in text.splitlines():
                metrics_line(parse_json(line))
        self._saved = text

    def _take_health(self, runner: Runner) -> Health | None:
        """Return the observations of the model's `PseudoLabelHealth` since the last line, and reset it."""
        health = getattr(unwrapped(runner.model), "health", None)
        if health is None:
            return None
        # Imported here because it loads mmsegmentation, which a model with a health has loaded already.
        from rs_adapt.strategies.health import PseudoLabelHealth, alarm_subjects, collapse_alarm

        if not isinstance(health, PseudoLabelHealth) or (summary := health.summary()) is None:
            return None
        health.reset()
        recent = health.recent_shares()
        bench = runner.cfg.get("bench")
        classes = bench.classes if bench else [f"class {k}" for k in range(health.num_classes)]
        self.alarm_subjects = alarm_subjects(recent, classes) if recent else frozenset()
        return Health(
            source_share=_by_class(classes, summary.source_share),
            teacher_share=_by_class(classes, summary.teacher_share),
            confidence=round(summary.confidence, _SHARE_DIGITS),
            weight=None if summary.weight is None else round(summary.weight, _SHARE_DIGITS),
            agreement=None if summary.agreement is None else round(summary.agreement, _SHARE_DIGITS),
            alarm=collapse_alarm(recent, classes) if recent else None,
        )

    def _write(self, line: MetricsLine) -> None:
        if is_main_process():
            size = self._file.stat().st_size if self._file.is_file() else 0
            try:
                with append_bytes(self._file) as file:
                    file.write(_format(line).encode())
            except OSError:
                # Half a line, where the disk is full.
                with suppress(OSError):
                    os.truncate(self._file, size)
                raise


def _format(line: MetricsLine) -> str:
    return json.dumps(line.content()) + "\n"


def _by_class(classes: Sequence[str], shares: Sequence[float]) -> dict[str, float]:
    return {name: round(share, _SHARE_DIGITS) for name, share in zip(classes, shares, strict=True)}
