"""The recorder of a training run: it alone decides what is written and shown, and in which order."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.hooks import Hook

from rs_adapt.engine.display import NoDisplay, TrainingDisplay
from rs_adapt.engine.final_scores import count_final_batches
from rs_adapt.engine.loggers import Loggers
from rs_adapt.engine.metrics_writer import MetricsWriter
from rs_adapt.engine.selected_weights import save_selected_weights
from rs_adapt.engine.state import load_state, save_state, seed_iteration
from rs_adapt.processes import any_rank, on_rank_zero
from rs_adapt.registry import HOOKS
from rs_adapt.runs.files import STATE_FILE
from rs_adapt.runs.metrics import evaluated_iterations
from rs_adapt.signals import STOP_SIGNALS, handle_signals

if TYPE_CHECKING:
    from mmengine.runner import Runner

    from rs_adapt.engine.compiling import CompileClock

_SMOOTHING_ITERS = 20


class Interrupted(Exception):
    """Raised inside the training loop after a stop was requested and the state has been saved."""

    def __init__(self, iteration: int) -> None:
        super().__init__(f"stopped after {iteration} iterations")
        self.iteration = iteration


@HOOKS.register_module(name=["Recorder", "StateHook"])
class Recorder(Hook):  # type: ignore[misc]
    """Records a training run: metrics, selected weights, loggers, training state and display.

    Each method below is a list of steps, in the order in which they happen. A run that is interrupted at any point and
    resumed repeats the steps that were cut off, and ends with the same files as an uninterrupted one. With several
    processes, each has a recorder, but only rank 0 writes files and feeds loggers.

    Args:
        resume: Continue from `state.pth` in the runner's `work_dir`.
        interval: Iterations between two training lines; see `MetricsWriter`.
        loggers: Receive every line of `metrics.jsonl`.
        display: Shows the progress to the user.
    """

    # After mmengine's hooks: the scheduler (LOW) has stepped when the state is saved.
    priority = "VERY_LOW"

    def __init__(
        self,
        *,
        resume: bool = False,
        interval: int | None = None,
        loggers: Loggers | None = None,
        display: TrainingDisplay | None = None,
    ) -> None:
        self.resume = resume
        self.metrics = MetricsWriter(interval=interval)
        self.loggers = Loggers(()) if loggers is None else loggers
        self.display: TrainingDisplay = NoDisplay() if display is None else display
        self.stop_requested = False
        # SHA-256 of the base weights, which the state does not hold.
        self.base_sha256: str | None = None
        # From the first evaluation on, every part of the configuration has been used.
        self.has_evaluated = False
        # Counts what is compiled, if anything is.
        self.compile_clock: CompileClock | None = None
        self._batch = self._num_batches = 0

    def request_stop(self) -> None:
        """Request that all processes stop after the current iteration; safe to call in a signal handler."""
        self.stop_requested = True

    def before_train(self, runner: Runner) -> None:
        """Start the loggers, and restore the state of a resumed run."""
        self.loggers.start(Path(runner.work_dir), runner.cfg)
        if self.resume:
            state = Path(runner.work_dir) / STATE_FILE
            runner.train_loop._iter = load_state(
                state, runner=runner, metrics=self.metrics, base_sha256=self.base_sha256
            )

    def before_train_epoch(self, runner: Runner) -> None:
        """Open `metrics.jsonl`, start the display, and repeat an evaluation that an interruption cut off."""
        self.metrics.start(Path(runner.work_dir), iteration=runner.iter, max_iters=runner.max_iters)
        self.display.start(iteration=runner.iter, max_iters=runner.max_iters)
        self._num_batches = getattr(runner.val_loop, "num_batches", 0)
        if self._num_batches:
            every, final = runner.train_loop.val_interval, count_final_batches(runner)
            self.display.plan_scoring(eval_every=every, batches=self._num_batches, final_batches=final)
        if self.resume and self._lacks_evaluation(runner):
            runner.val_loop.run()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the draws of this iteration by its number alone."""
        seed_iteration(runner.seed, runner.iter, runner.rank, runner.world_size)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        """Record the losses, save the state if it is due, and show the progress.

        Raises:
            Interrupted: A stop was requested; the state is saved.
        """
        done = runner.iter + 1
        line = self.metrics.add_iteration(runner, losses=list(outputs or {}))
        if line is not None:
            self.loggers.write(line)
        # Never assigned to `stop_requested`: a signal that arrives while the ranks agree would be overwritten.
        stops = any_rank(self.stop_requested)
        # Before the evaluation, so that an interruption of the evaluation loses no training.
        if stops or _evaluation_due(runner, done):
            self.save_state(runner, iteration=done)
        if stops:
            raise Interrupted(done)
        scalars = runner.message_hub.log_scalars
        loss = scalars["train/loss"].mean(_SMOOTHING_ITERS)
        self.display.show_iteration(done, loss=loss, lr=scalars["train/lr"].current())
        if line is not None and line.health is not None:
            self.display.show_health(line.health, alarm_subjects=self.metrics.alarm_subjects)
        clock = self.compile_clock
        if clock is not None and (note := clock.take_note(at_end=done == runner.max_iters)) is not None:
            runner.logger.info(note)
            self.display.show_note(note)

    def before_val(self, runner: Runner) -> None:
        """Begin to count the batches of an evaluation."""
        self._batch = 0

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Sequence[Any] | None = None
    ) -> None:
        """Show the progress, and stop within an evaluation if requested; the state before it is saved already.

        Raises:
            Interrupted: A stop was requested.
        """
        # All ranks predict the same number of batches, so all of them take part.
        if any_rank(self.stop_requested):
            raise Interrupted(runner.iter)
        self._batch += 1
        self.display.show_scoring(self._batch, self._num_batches)

    def after_val_epoch(self, runner: Runner, metrics: Mapping[str, float] | None = None) -> None:
        """Save the weights if they are selected now, then record and show the scores."""
        scores = metrics or {}
        # Weights come before their line: a line in the file implies that its weights are on disk.
        save_selected_weights(runner, scores)
        line = self.metrics.add_evaluation(runner.iter, scores)
        self.has_evaluated = True
        self.loggers.write(line)
        losses = runner.message_hub.log_scalars.get("train/loss")
        loss = None if losses is None else losses.mean(_SMOOTHING_ITERS)
        self.display.show_evaluation(runner.iter, scores, loss=loss)

    def save_state(self, runner: Runner, *, iteration: int, may_be_broken: bool = False) -> None:
        """Write the training state into the run folder; see `rs_adapt.engine.state.save_state`."""
        save_state(
            Path(runner.work_dir) / STATE_FILE,
            runner=runner,
            metrics=self.metrics,
            iteration=iteration,
            base_sha256=self.base_sha256,
            may_be_broken=may_be_broken,
        )

    def after_train(self, runner: Runner) -> None:
        """Leave the final state of the display on the screen."""
        self.display.close()

    def _lacks_evaluation(self, runner: Runner) -> bool:
        if runner.val_loop is None or runner.iter == 0 or not _evaluation_due(runner, runner.iter):
            return False
        # Rank 0 has just rewritten the file, so the others do not read it.
        return on_rank_zero(lambda: runner.iter not in evaluated_iterations(Path(runner.work_dir)))


class _PartOfRecorder(Hook):  # type: ignore[misc]
    """A hook that does nothing, for names that resolved configurations list beside `StateHook`; see `Recorder`."""


for _name in ("MetricsHook", "SelectionHook"):
    HOOKS.register_module(name=_name, module=_PartOfRecorder)


def _evaluation_due(runner: Runner, done: int) -> bool:
    loop = runner.train_loop
    return bool(done % loop.val_interval == 0 or done == loop.max_iters)


def stop_on_signals(recorder: Recorder) -> AbstractContextManager[None]:
    """Stop after the iteration at Ctrl-C, SIGTERM, SIGHUP or SIGUSR1 (Slurm's warning), at once at a second Ctrl-C."""

    def handle(number: int, _frame: object) -> None:
        if recorder.stop_requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        recorder.request_stop()

    return handle_signals((*STOP_SIGNALS, signal.SIGUSR1), handle)
