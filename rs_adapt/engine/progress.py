"""What a person sees while a run trains: one live line on a terminal, a plain line per evaluation elsewhere."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class ProgressHook(Hook):  # type: ignore[misc]
    """Progress of training: iterations, loss, learning rate, iterations per second, time left, last mIoU.

    Args:
        console: Where to show it (standard error, so that standard output stays the result's).
        what: Name of the cell.
    """

    priority = "LOWEST"

    def __init__(self, console: Console, what: str) -> None:
        self.console = console
        self.what = what
        self.score = "-"
        self._began_s = time.perf_counter()
        # A terminal of 80 columns has room for the numbers only; what does not fit would be cut within a number.
        wide = console.width >= 120
        rate = "  lr {task.fields[lr]}" if wide else ""
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            *([BarColumn(bar_width=20)] if wide else []),
            MofNCompleteColumn(),
            TextColumn(f"loss {{task.fields[loss]}}{rate}  {{task.fields[speed]}} it/s  mIoU {{task.fields[score]}}"),
            *([TimeElapsedColumn()] if wide else []),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=False,
        )
        self._task = self._progress.add_task(what, total=None, loss="-", lr="-", speed="-", score="-", start=False)

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
            speed=f"{speed:.2f}",
            score=self.score,
        )

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Show the new score; off a terminal, print a line."""
        value = (metrics or {}).get("miou_pct", float("nan"))
        self.score = f"{value:.2f} @ {runner.iter}"
        self._progress.update(self._task, score=self.score)
        if not self.console.is_terminal:
            # A run that goes on with a missed evaluation has no loss yet.
            losses = runner.message_hub.log_scalars.get("train/loss")
            loss = f"loss {losses.mean(20):.3f}, " if losses is not None else ""
            self.console.print(
                f"{self.what}: {runner.iter}/{runner.max_iters} iterations, {loss}mIoU {value:.2f} %",
                highlight=False,
            )

    def after_train(self, runner: Any) -> None:
        """Leave the finished bar on the screen."""
        self.close()

    def close(self) -> None:
        """Stop drawing; safe to call twice."""
        if self._progress.live.is_started:
            self._progress.stop()
