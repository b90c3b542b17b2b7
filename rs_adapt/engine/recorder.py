"""When the training state is written and read: at evaluations, on Ctrl-C or SIGTERM, and when a run goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from rs_adapt.engine.state import load_state, save_state, seed_iteration
from rs_adapt.processes import any_rank, on_rank_zero
from rs_adapt.registry import HOOKS
from rs_adapt.runs.files import STATE_FILE
from rs_adapt.runs.metrics import evaluated_iterations


class Interrupted(Exception):
    """Raised inside the training loop after a stop was asked for and the state is on disk."""

    def __init__(self, iteration: int) -> None:
        super().__init__(f"stopped after {iteration} iterations")
        self.iteration = iteration


@HOOKS.register_module()
class StateHook(Hook):  # type: ignore[misc]
    """Keeps `state.pth` of the run folder at the last evaluation or interruption, and makes resuming exact.

    Args:
        resume: Continue from `state.pth` in the runner's work_dir.
    """

    # After the scheduler has stepped (LOW) and the metrics are written.
    priority = "VERY_LOW"

    def __init__(self, *, resume: bool = False) -> None:
        self.resume = resume
        self.stop_requested = False

    def request_stop(self) -> None:
        """Ask for a stop of all processes after the iteration that is running; safe in a signal handler."""
        self.stop_requested = True

    def before_train(self, runner: Any) -> None:
        """Continue where the state file says."""
        if self.resume:
            runner.train_loop._iter = load_state(Path(runner.work_dir) / STATE_FILE, runner=runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Make up for an evaluation that the interruption cut off."""
        loop = runner.train_loop
        due = (
            runner.val_loop is not None
            and loop.iter > 0
            and (loop.iter % loop.val_interval == 0 or loop.iter == loop.max_iters)
        )
        # The first process has just written the file that the others would read.
        run_dir = Path(runner.work_dir)
        if self.resume and due and not on_rank_zero(lambda: loop.iter in evaluated_iterations(run_dir)):
            runner.val_loop.run()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Make the draws of this iteration depend on its number alone."""
        seed_iteration(runner.seed, runner.iter, runner.rank, runner.world_size)

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Write the state before each evaluation, and when a stop was requested."""
        done = runner.iter + 1
        loop = runner.train_loop
        self.stop_requested = any_rank(self.stop_requested)
        if self.stop_requested or done % loop.val_interval == 0 or done == loop.max_iters:
            save_state(Path(runner.work_dir) / STATE_FILE, runner=runner, iteration=done)
        if self.stop_requested:
            raise Interrupted(done)

    def after_val_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Do not wait for the end of an evaluation: the state before it is on disk."""
        # All processes predict equally many batches.
        self.stop_requested = any_rank(self.stop_requested)
        if self.stop_requested:
            raise Interrupted(runner.iter)
