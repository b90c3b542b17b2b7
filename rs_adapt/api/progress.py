"""Report the progress of public functions on standard error, to a callback, or not at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rs_adapt.progress import OnProgress, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from rich.console import Console

    from rs_adapt.engine.display import TrainingDisplay
    from rs_adapt.runs.records import Health, RunStart

# True shows it on standard error (a live line on a terminal, plain lines in a notebook or a log), False shows nothing.
Progress = bool | OnProgress

# From a stage, the steps done, and those in all to what is shown behind the numbers.
Note = Callable[[str, int, int | None], str]
# Seconds without a line after which a stage counts as long.
_LONG_S = 10.0


@contextmanager
def progress_callback(progress: Progress, *, note: Note | None = None) -> Iterator[OnProgress]:
    """Yield the callback for the argument `progress` of a public function.

    Args:
        progress: True to show progress on standard error, False for none, or a callback that is yielded unchanged.
        note: Added to the lines on standard error.
    """
    if callable(progress):
        yield progress
    elif progress:
        with stage_lines(error_console(), note=note) as show:
            yield show
    else:
        yield no_progress


def error_console() -> Console:
    """Return standard error, for progress and remarks; wide enough off a terminal that no line wraps."""
    from rs_adapt.render.terminal import PlainConsole

    return PlainConsole(stderr=True, width=None if sys.stderr.isatty() else 160, highlight=True)


@contextmanager
def stage_lines(console: Console, *, note: Note | None = None) -> Iterator[OnProgress]:
    """Yield a callback that shows progress: a status line on a terminal, else one line for each finished stage.

    The status line disappears when a stage is complete, so that a progress bar can follow.

    Args:
        console: Where to show it.
        note: Returns what follows the numbers of steps, from the stage, the steps done, and those in all.
    """
    from rich.status import Status

    from rs_adapt.render.terminal import styled

    status = Status("", console=console)
    seen: set[str] = set()
    printed_s = time.monotonic()

    def show(stage: str, done: int, total: int | None) -> None:
        nonlocal printed_s
        finished = total is not None and done >= total
        more = "" if note is None else note(stage, done, total)
        if not console.is_terminal:
            # A long stage prints a line for each tenth of it, a short one only when it is done.
            is_long = total is not None and (total >= 1000 or time.monotonic() - printed_s > _LONG_S)
            tenth = is_long and total is not None and done * 10 // total > (done - 1) * 10 // total
            line = f"{stage}: {done}/{total}" if tenth else f"{stage}: {total}"
            if (tenth or finished) and line not in seen:
                seen.add(line)
                printed_s = time.monotonic()
                console.print(line + more, highlight=False)
        elif finished:
            status.stop()
        else:
            status.update(styled((f"{stage} {done}" if total is None else f"{stage} {done}/{total}") + more, ""))
            status.start()

    try:
        yield show
    finally:
        status.stop()


def print_loading(progress: Progress) -> None:
    """Say on standard error that torch is loaded, which takes seconds, unless it is there already."""
    if progress is True and "torch" not in sys.modules:
        error_console().print("Loading torch ...", highlight=False)


def print_notes(progress: Progress, notes: Sequence[str]) -> None:
    """Print what one has to know before work begins, on standard error; nothing unless `progress` is True."""
    if progress is True and notes:
        from rs_adapt.render.plain_text import printable_line

        for note in notes:
            text = printable_line(f"Note: {note}")
            error_console().print(text, highlight=False, markup=False, soft_wrap=True)


def print_start(progress: Progress, start: RunStart, *, title: str, folder: Path) -> None:
    """Print on standard error on what a run trains: device, seed, tiles and folder.

    Args:
        progress: The argument of a public function; nothing is printed unless it is True.
        start: Content of `cell.json`.
        title: Name of the cell.
        folder: The run folder.
    """
    if progress is True:
        from rs_adapt.inference.pack_overrides import find_refused_keys
        from rs_adapt.render.plain_text import printable_line

        tiles = ", ".join(f"{role} {count}" for role, count in start.tiles.items())
        text = f"{title}: {start.environment.device}, seed {start.cell.seed}; tiles: {tiles}; folder {folder}"
        lines = [text]
        if refused := find_refused_keys(start.options.overrides):
            # Found here, and not when the trained run is to be used.
            lines.append(
                f"note: --set {', '.join(refused)}: code and folders are never read from a run, so eval, predict and "
                "inspect will refuse this one; its result stays. Write such a choice into a configuration of your own "
                "(RS_ADAPT_CONFIGS) to keep the run usable."
            )
        for line in lines:
            error_console().print(printable_line(line), highlight=False, markup=False, soft_wrap=True)


def training_display(progress: Progress, title: str, *, score_title: str = "mIoU") -> TrainingDisplay | None:
    """Return a display of training: a bar on standard error, a callback with the stage `training`, or None."""
    if callable(progress):
        return CallbackDisplay(progress)
    if not progress:
        return None
    from rs_adapt.engine.progress import TrainingProgress

    return TrainingProgress(error_console(), title, score_title=score_title)


class CallbackDisplay:
    """A `TrainingDisplay` that reports iterations to a callback.

    Args:
        on_progress: Called with the stage `training`, the iterations done, and those in all.
    """

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._max_iters = 0

    def start(self, *, iteration: int, max_iters: int) -> None:
        """Report the iteration that training starts from."""
        self._max_iters = max_iters
        self._on_progress("training", iteration, max_iters)

    def plan_scoring(self, *, eval_every: int, batches: int, final_batches: int) -> None:
        """Do nothing: the stage `training` counts iterations."""

    def show_scoring(self, done: int, total: int) -> None:
        """Report a batch of an evaluation, as the stage `scoring`."""
        self._on_progress("scoring", done, total)

    def show_iteration(self, iteration: int, *, loss: float, lr: float) -> None:
        """Report an iteration."""
        self._on_progress("training", iteration, self._max_iters)

    def show_health(self, health: Health, *, alarm_subjects: frozenset[str]) -> None:
        """Do nothing: `run.metrics` has the health."""

    def show_note(self, text: str) -> None:
        """Do nothing: `train.log` has the text."""

    def show_evaluation(self, iteration: int, scores: Mapping[str, float], *, loss: float | None) -> None:
        """Do nothing: `run.metrics` has the scores."""

    def close(self) -> None:
        """Do nothing."""
