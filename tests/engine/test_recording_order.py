"""A recorder does its steps in one order, and old configurations still name it by its former parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import Config

from rs_adapt.engine import recorder as module
from rs_adapt.engine.display import NoDisplay
from rs_adapt.engine.recorder import Interrupted, Recorder
from rs_adapt.registry import HOOKS
from rs_adapt.runs.records.metrics import EvaluationLine, Health, TrainingLine


class Scalar:
    def current(self) -> float:
        return 0.1

    def mean(self, _count: int) -> float:
        return 1.0


def make_recorder(steps: list[str], monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Return a recorder whose parts note that they were called."""

    def noting(name: str, result: Any = None) -> Any:
        def note(*_: Any, **__: Any) -> Any:
            steps.append(name)
            return result

        return note

    recorder = Recorder()
    monkeypatch.setattr(module, "save_selected_weights", noting("keep weights"))
    monkeypatch.setattr(module, "save_state", noting("save state"))
    monkeypatch.setattr(module, "load_state", noting("load state", 7))
    monkeypatch.setattr(recorder.metrics, "start", noting("open metrics"))
    monkeypatch.setattr(recorder.metrics, "add_iteration", noting("write line", TrainingLine(iter=1, health=Health())))
    monkeypatch.setattr(recorder.metrics, "add_evaluation", noting("write line", EvaluationLine(iter=1)))
    monkeypatch.setattr(recorder.loggers, "start", noting("start loggers"))
    monkeypatch.setattr(recorder.loggers, "write", noting("tell loggers"))
    display: Any = NoDisplay()
    for name in ("start", "show_iteration", "show_health", "show_evaluation"):
        monkeypatch.setattr(display, name, noting(name))
    recorder.display = display
    return recorder


def make_runner(*, iteration: int, val_interval: int = 10, max_iters: int = 25) -> Any:
    loop = SimpleNamespace(_iter=0, val_interval=val_interval, max_iters=max_iters)
    return SimpleNamespace(
        work_dir="run",
        cfg=Config({}),
        iter=iteration,
        max_iters=max_iters,
        train_loop=loop,
        val_loop=None,
        message_hub=SimpleNamespace(log_scalars={"train/loss": Scalar(), "train/lr": Scalar()}),
    )


def test_the_steps_of_a_run_have_one_order(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    recorder = make_recorder(steps, monkeypatch)
    recorder.resume = True
    runner = make_runner(iteration=3)
    recorder.before_train(runner)
    assert runner.train_loop._iter == 7
    recorder.before_train_epoch(runner)
    assert steps == ["start loggers", "load state", "open metrics", "start"]
    steps.clear()
    recorder.after_train_iter(runner, 0, outputs={"loss": 1.0})
    assert steps == ["write line", "tell loggers", "show_iteration", "show_health"]
    steps.clear()
    recorder.after_val_epoch(runner, {"miou_pct": 1.0})
    assert steps == ["keep weights", "write line", "tell loggers", "show_evaluation"]


@pytest.mark.parametrize(("iteration", "saved"), [(8, False), (9, True), (24, True)])
def test_the_state_is_saved_before_each_evaluation(
    monkeypatch: pytest.MonkeyPatch, iteration: int, saved: bool
) -> None:
    steps: list[str] = []
    recorder = make_recorder(steps, monkeypatch)
    recorder.after_train_iter(make_runner(iteration=iteration), 0)
    assert ("save state" in steps) == saved
    if saved:
        assert steps.index("write line") < steps.index("save state") < steps.index("show_iteration")


def test_a_requested_stop_saves_the_state_and_ends_the_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    recorder = make_recorder(steps, monkeypatch)
    recorder.request_stop()
    with pytest.raises(Interrupted, match="after 4 iterations"):
        recorder.after_train_iter(make_runner(iteration=3), 0)
    assert steps == ["write line", "tell loggers", "save state"]
    with pytest.raises(Interrupted, match="after 3 iterations"):
        recorder.after_val_iter(make_runner(iteration=3), 0)


def test_a_signal_while_the_processes_agree_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = make_recorder([], monkeypatch)

    def agree_and_be_signalled(flag: bool) -> bool:
        recorder.request_stop()
        return flag

    monkeypatch.setattr("rs_adapt.engine.recorder.any_rank", agree_and_be_signalled)
    # The other processes have heard "no", so this one goes on too.
    recorder.after_train_iter(make_runner(iteration=3), 0)
    with pytest.raises(Interrupted, match="after 5 iterations"):
        recorder.after_train_iter(make_runner(iteration=4), 0)


def test_a_signal_during_an_evaluation_while_the_processes_agree_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = make_recorder([], monkeypatch)

    def agree_and_be_signalled(flag: bool) -> bool:
        recorder.request_stop()
        return flag

    monkeypatch.setattr("rs_adapt.engine.recorder.any_rank", agree_and_be_signalled)
    recorder.after_val_iter(make_runner(iteration=3), 0)
    with pytest.raises(Interrupted, match="after 3 iterations"):
        recorder.after_val_iter(make_runner(iteration=3), 1)


def test_configurations_name_the_recorder_by_its_former_parts() -> None:
    state, metrics, selection = (
        HOOKS.build({"type": f"rs_adapt.{name}"}) for name in ("StateHook", "MetricsHook", "SelectionHook")
    )
    assert type(state) is Recorder
    assert not state.resume
    methods = {name for name in vars(Recorder) if name.startswith(("before_", "after_"))}
    assert methods
    # The former parts must not record a second time.
    for hook in (metrics, selection):
        assert not methods & set(vars(type(hook)))
