"""Progress of training for a person: one live line on a terminal, lines for tenths and evaluations elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rs_adapt.engine.time_left import TimeLeft, format_seconds
from rs_adapt.render.plain_text import printable_line
from rs_adapt.runs.records import Health
from rs_adapt.runs.records.record import SCORES, unit_of

# Off a terminal, training of so many iterations prints a line for each tenth; scoring does so after so many seconds.
_LONG_ITERS, _LONG_S = 50, 10.0


class TrainingProgress:
    """Shows iterations, loss, learning rate, iterations per second, time left and the last mIoU.

    During an evaluation it counts scored batches. The time left includes evaluations and the final scores.

    With pseudo-labels it also shows the share of target pixels on which teacher and student agree, and warns once for
    each class whose pseudo-labels look collapsed.

    Args:
        console: Console to draw on; standard error on the command line, because standard output is for results.
        title: Name of the cell.
        score_title: Name of the score, for the live line.
    """

    def __init__(self, console: Console, title: str, *, score_title: str = "mIoU") -> None:
        self.console = console
        self.title = printable_line(title)
        self.score, self._score_title = "-", score_title
        self._agreement = ""
        self._warned: frozenset[str] = frozenset()
        self._first = 0
        self._max_iters = 0
        self._began_s = time.perf_counter()
        # A terminal of 80 columns has room for the numbers only; anything wider would be cut within a number.
        wide = console.width >= 120
        rate = "  lr {task.fields[lr]}" if wide else ""
        # Below that width the agreement replaces the pace, which follows from the remaining time.
        self._roomy = console.width >= 140
        agree = "{task.fields[agree]}" if self._roomy else ""
        self._progress = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            *([BarColumn(bar_width=20)] if wide else []),
            MofNCompleteColumn(),
            TextColumn(
                f"loss {{task.fields[loss]}}{rate}  {{task.fields[pace]}}  {score_title} {{task.fields[score]}}{agree}"
            ),
            *([TimeElapsedColumn()] if wide else []),
            TextColumn("left {task.fields[left]}"),
            console=console,
            transient=False,
        )
        self._task = self._progress.add_task(
            self.title, total=None, start=False, loss="-", lr="-", pace="- it/s", score="-", agree="", left="-:--:--"
        )
        self._left: TimeLeft | None = None

    def start(self, *, iteration: int, max_iters: int) -> None:
        """Start the bar at the iteration that training starts from."""
        self._progress.update(self._task, total=max_iters, completed=iteration)
        self._progress.start_task(self._task)
        self._first = iteration
        self._max_iters = max_iters
        self._began_s = self._printed_s = time.perf_counter()
        self.plan_scoring(eval_every=0, batches=0, final_batches=0)
        if self.console.is_terminal:
            self._progress.start()

    def plan_scoring(self, *, eval_every: int, batches: int, final_batches: int) -> None:
        """Count evaluations and final scores in the time that is left."""
        self._eval_every = eval_every
        self._left = TimeLeft(
            first=self._first,
            iters=self._max_iters,
            eval_every=eval_every,
            batches=batches,
            final_batches=final_batches,
        )

    def show_scoring(self, done: int, total: int) -> None:
        """Show the batches of an evaluation in place of the pace; off a terminal, print a line where it takes long."""
        assert self._left is not None
        self._left.add_batch(done)
        left = format_seconds(self._left.seconds())
        self._progress.update(self._task, pace=f"scoring {done}/{total}", left=left)
        if done == 1:
            self._printed_s = time.perf_counter()
        if time.perf_counter() - self._printed_s > _LONG_S and _is_tenth(done, total):
            self._print(f"scoring {done}/{total}, {left} left")

    def show_iteration(self, iteration: int, *, loss: float, lr: float) -> None:
        """Advance the bar; off a terminal, print a line for each tenth that has no evaluation."""
        assert self._left is not None
        self._left.add_iteration(iteration)
        left = format_seconds(self._left.seconds())
        is_evaluated = self._eval_every and (iteration % self._eval_every == 0 or iteration == self._max_iters)
        if self._max_iters >= _LONG_ITERS and _is_tenth(iteration, self._max_iters) and not is_evaluated:
            self._print(f"{iteration}/{self._max_iters} iterations, loss {loss:.3f}, {left} left")
        pace_s = self._left.iteration_s
        speed = 1 / pace_s if pace_s else 0.0
        self._progress.update(
            self._task,
            completed=iteration,
            loss=f"{loss:.3f}",
            lr=f"{lr:.2e}",
            pace=f"{speed:.2f} it/s" if self._roomy or not self._agreement else f"agree {self._agreement}",
            score=self.score,
            left=left,
        )

    def show_health(self, health: Health, *, alarm_subjects: frozenset[str]) -> None:
        """Show the agreement, and warn about each subject once."""
        if health.agreement is not None:
            self._agreement = f"{100 * health.agreement:.0f} %"
            self._progress.update(self._task, agree=f"  agree {self._agreement}")
        if alarm_subjects - self._warned:
            self._warned |= alarm_subjects
            # A single line in a log, whatever its length, so that it can be searched for.
            self.console.print(
                f"warning: {health.alarm}",
                highlight=False,
                soft_wrap=not self.console.is_terminal,
            )

    def show_note(self, text: str) -> None:
        """Print a line."""
        self.console.print(f"{self.title}: {text}", highlight=False, markup=False)

    def show_evaluation(self, iteration: int, scores: Mapping[str, float], *, loss: float | None) -> None:
        """Show the new score; off a terminal, print a line."""
        # A target without labels has no score; the source's is shown, if it is read.
        key = next((key for key in SCORES if key in scores), None)
        value = scores.get("source_val/miou_pct") if key is None else scores[key]
        where = "" if key is not None else " on the source"
        title = self._score_title if key == "miou_pct" else SCORES[key or "miou_pct"]
        score = "no labels to score" if value is None else f"{title}{where} {value:.2f} {unit_of(key or 'miou_pct')}"
        self.score = "-" if value is None else f"{value:.2f}{where} @ {iteration}"
        if self._left is not None:
            self._left.end_evaluation()
        self._progress.update(self._task, score=self.score)
        if not self.console.is_terminal:
            mean_loss = "" if loss is None else f"loss {loss:.3f}, "
            agree = f", teacher and student agree on {self._agreement}" if self._agreement else ""
            self._print(f"{iteration}/{self._max_iters} iterations, {mean_loss}{score}{agree}")

    def _print(self, text: str) -> None:
        """Print a line, except on a terminal, where the live line shows the same."""
        if not self.console.is_terminal:
            self._printed_s = time.perf_counter()
            self.console.print(f"{self.title}: {text}", highlight=False, markup=False)

    def close(self) -> None:
        """Leave the bar on the screen; safe to call twice."""
        if self._progress.live.is_started:
            self._progress.stop()


def _is_tenth(done: int, total: int) -> bool:
    """Return whether a further tenth of all steps is complete with this one."""
    return done * 10 // total > (done - 1) * 10 // total
