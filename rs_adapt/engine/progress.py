"""What a person sees while a run trains: one live line on a terminal, a plain line per evaluation elsewhere."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from rs_adapt.engine.metrics_writer import MetricsHook


class ProgressHook(Hook):  # type: ignore[misc]
    """Progress of training: iterations, loss, learning rate, iterations per second, time left, last mIoU.

    With pseudo-labels also the share of target pixels on which teacher and student agree, and a warning when the
    pseudo-labels look collapsed: once for each class that it is about.

    Args:
        console: Where to show it (standard error, so that standard output stays the result's).
        what: Name of the cell.
    """

    # After the metrics, whose last line it shows.
    priority = "LOWEST"

    def __init__(self, console: Console, what: str) -> None:
        self.console = console
        self.what = what
        self.score = "-"
        self._agreement = ""
        self._warned: frozenset[str] = frozenset()
        self._began_s = time.perf_counter()
        # A terminal of 80 columns has room for the numbers only; what does not fit would be cut within a number.
        wide = console.width >= 120
        rate = "  lr {task.fields[lr]}" if wide else ""
        # Below that the agreement takes the place of the pace, which the time left tells too.
        self._roomy = console.width >= 140
        agree = "{task.fields[agree]}" if self._roomy else ""
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            *([BarColumn(bar_width=20)] if wide else []),
            MofNCompleteColumn(),
            TextColumn(f"loss {{task.fields[loss]}}{rate}  {{task.fields[pace]}}  mIoU {{task.fields[score]}}{agree}"),
            *([TimeElapsedColumn()] if wide else []),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=False,
        )
        self._task = self._progress.add_task(
            what, total=None, start=False, loss="-", lr="-", pace="- it/s", score="-", agree=""
        )

    def before_train_epoch(self, runner: Any) -> None:
        """Start the bar at the iteration that the run starts from."""
        self._progress.update(self._task, total=runner.max_iters, completed=runner.iter)
        self._progress.start_task(self._task)
        self._first = runner.iter
        self._began_s = time.perf_counter()
        if self.console.is_terminal:
            self._progress.start()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Move the bar."""
        done = runner.iter + 1
        scalars = runner.message_hub.log_scalars
        speed = (done - self._first) / max(time.perf_counter() - self._began_s, 1e-9)
        self._progress.update(
            self._task,
            completed=done,
            loss=f"{scalars['train/loss'].mean(20):.3f}",
            lr=f"{scalars['train/lr'].current():.2e}",
            pace=f"{speed:.2f} it/s" if self._roomy or not self._agreement else f"agree {self._agreement}",
            score=self.score,
        )
        self._show_health(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Show the new score; off a terminal, print a line."""
        # Of a target without labels the score is that of the source.
        scores = metrics or {}
        value = scores.get("miou_pct", scores.get("source_val/miou_pct", float("nan")))
        where = "" if "miou_pct" in scores else " on the source"
        self.score = f"{value:.2f}{where} @ {runner.iter}"
        self._progress.update(self._task, score=self.score)
        if not self.console.is_terminal:
            # A run that goes on with a missed evaluation has no loss yet.
            losses = runner.message_hub.log_scalars.get("train/loss")
            loss = f"loss {losses.mean(20):.3f}, " if losses is not None else ""
            agree = f", teacher and student agree on {self._agreement}" if self._agreement else ""
            self.console.print(
                f"{self.what}: {runner.iter}/{runner.max_iters} iterations, {loss}mIoU{where} {value:.2f} %{agree}",
                highlight=False,
            )

    def _show_health(self, runner: Any) -> None:
        metrics = next(hook for hook in runner.hooks if isinstance(hook, MetricsHook))
        if metrics.last_health is None:
            return
        if metrics.last_health["agreement"] is not None:
            self._agreement = f"{100 * metrics.last_health['agreement']:.0f} %"
            self._progress.update(self._task, agree=f"  agree {self._agreement}")
        if metrics.alarm_subjects - self._warned:
            self._warned |= metrics.alarm_subjects
            # Off a terminal one line, whatever its length, so that a log can be searched for it.
            self.console.print(
                f"warning: {metrics.last_health['alarm']}",
                highlight=False,
                markup=False,
                soft_wrap=not self.console.is_terminal,
            )

    def after_train(self, runner: Any) -> None:
        """Leave the finished bar on the screen."""
        self.close()

    def close(self) -> None:
        """Stop drawing; safe to call twice."""
        if self._progress.live.is_started:
            self._progress.stop()
