"""Lines of `metrics.jsonl` about pseudo-labels: what they hold, that a resumed run writes the same, and who is told."""

from __future__ import annotations

import io
import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from rich.console import Console
from torch import Tensor, nn

from rs_adapt.engine import metrics_writer as module
from rs_adapt.engine.display import NoDisplay
from rs_adapt.engine.progress import TrainingProgress
from rs_adapt.engine.recorder import Recorder
from rs_adapt.engine.state import load_state, save_state
from rs_adapt.runs.metrics import read_metrics
from rs_adapt.strategies.health import PseudoLabelHealth


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl as they are written."""
    return [line.content() for line in read_metrics(run)]


CLASSES = ["background", "building", "road"]
BENCH = Config({"bench": {"classes": CLASSES}})
numbers = itertools.count()


class Display(NoDisplay):
    """Stores the last health."""

    health: Any = None

    def show_health(self, health: Any, *, alarm_subjects: frozenset[str]) -> None:
        self.health = health


class Model(nn.Module):
    """Something with a health, or without."""

    def __init__(self, health: nn.Module | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        if health is not None:
            self.health = health


def make_runner(
    folder: Path,
    *,
    health: bool = True,
    cfg: Config = BENCH,
    interval: int = 2,
    iters: int = 8,
) -> Any:
    """Return the parts of mmengine's Runner that a recorder uses, with its recorder."""
    folder.mkdir(exist_ok=True)
    model = Model(PseudoLabelHealth(num_classes=3, ignore_index=255) if health else None)
    runner = SimpleNamespace(
        model=model,
        cfg=cfg,
        work_dir=str(folder),
        iter=0,
        max_iters=iters,
        message_hub=MessageHub.get_instance(f"recorder_{next(numbers)}"),
        recorder=Recorder(interval=interval),
        train_loop=SimpleNamespace(val_interval=100, max_iters=100),
        val_loop=None,
        optim_wrapper=torch.optim.SGD(model.parameters(), lr=0.1),
        param_schedulers=[],
    )
    runner.message_hub.update_scalar("train/lr", 0.1)
    return runner


def start(runner: Any) -> None:
    runner.recorder.before_train_epoch(runner)


def step(runner: Any, *, teacher: list[int] | None = None, student: list[int] | None = None, images: int = 1) -> None:
    """Do an iteration of loss n, with pseudo-labels for so many equal images if `teacher` is given."""
    loss = float(runner.iter + 1)
    if teacher is not None:
        runner.model.health.observe(
            source_labels_BHW=labels([0, 0, 0, 0, 1, 1, 1, 2, 255], images),
            teacher_labels_BHW=labels(teacher, images),
            confidence_BHW=torch.full((images, 1, len(teacher)), 1 / loss),
            weights_BHW=torch.full((images, 1, len(teacher)), 0.25 * loss),
            student_labels_BHW=None if student is None else labels(student, images),
        )
    runner.message_hub.update_scalar("train/loss", loss)
    runner.recorder.after_train_iter(runner, 0, outputs={"loss": torch.tensor(loss)})
    runner.iter += 1


def labels(values: list[int], images: int = 1) -> Tensor:
    return torch.tensor(values).expand(images, 1, -1)


def test_a_line_has_the_health_since_the_previous_line(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    start(runner)
    step(runner, teacher=[0, 1, 2, 255], student=[0, 1, 1, 1])
    step(runner, teacher=[0, 0, 0, 0], student=[0, 0, 0, 0])
    step(runner, teacher=[0, 1, 2])
    step(runner, teacher=[0, 1, 2])
    first, second = lines_of(tmp_path)
    assert (first["iter"], first["loss"]) == (2, 1.5)
    assert first["health"] == {
        "source_share": {"background": 0.5, "building": 0.375, "road": 0.125},
        "teacher_share": {"background": 0.71429, "building": 0.14286, "road": 0.14286},
        # 3 pixels of 1 and 4 of 1/2.
        "confidence": 0.71429,
        # 3 pixels of 1/4 and 4 of 1/2.
        "weight": 0.39286,
        "agreement": 0.85714,
        "alarm": None,
    }
    assert second["health"]["teacher_share"] == dict.fromkeys(CLASSES, 0.33333)
    assert second["health"]["agreement"] is None


def test_lines_without_pseudo_labels_have_no_health(tmp_path: Path) -> None:
    warming = make_runner(tmp_path / "warming")
    plain = make_runner(tmp_path / "plain", health=False)
    for runner in (warming, plain):
        runner.recorder.display = display = Display()
        start(runner)
        step(runner)
        step(runner)
        assert [sorted(line) for line in lines_of(Path(runner.work_dir))] == [["iter", "iter_s", "loss", "lr"]]
        assert display.health is None


def test_an_unrelated_attribute_of_that_name_is_ignored(tmp_path: Path) -> None:
    runner = make_runner(tmp_path)
    runner.model.health = nn.Identity()
    start(runner)
    step(runner)
    step(runner)
    assert "health" not in lines_of(tmp_path)[0]


def test_a_wrapped_model_and_a_config_without_a_bench(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, cfg=Config({}), interval=1)
    start(runner)
    inner = runner.model
    pair, one = labels([0, 1]), torch.ones(1, 1, 2)
    inner.health.observe(source_labels_BHW=pair, teacher_labels_BHW=pair + 1, confidence_BHW=one, weights_BHW=one)
    runner.model = SimpleNamespace(module=inner)
    step(runner)
    assert lines_of(tmp_path)[0]["health"]["teacher_share"] == {"class 0": 0.0, "class 1": 0.5, "class 2": 0.5}


def test_a_loss_that_some_iterations_lack_counts_as_0_there(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, health=False)
    start(runner)
    step(runner)
    runner.message_hub.update_scalar("train/loss", 2.0)
    runner.message_hub.update_scalar("train/mix.loss", 1.0)
    runner.recorder.after_train_iter(runner, 0, outputs={"loss": 2.0, "mix.loss": 1.0})
    line = lines_of(tmp_path)[0]
    assert (line["loss"], line["mix.loss"]) == (1.5, 0.5)


# Off the grid of lines: three iterations wait for the line at 4, or one for the last line.
@pytest.mark.parametrize("stop", [3, 5])
def test_a_resumed_run_writes_the_same_lines(tmp_path: Path, stop: int) -> None:
    teachers = [[0, 1, 1], [0, 0, 0, 0], [0, 1, 255], [1, 1], [0, 0, 1], [0, 0]]

    def go(runner: Any, until: int) -> None:
        for teacher in teachers[runner.iter : until]:
            step(runner, teacher=teacher, student=[0] * len(teacher), images=40)

    straight = make_runner(tmp_path / "straight", interval=4, iters=6)
    start(straight)
    go(straight, 6)

    first = make_runner(tmp_path / "parts", interval=4, iters=6)
    start(first)
    go(first, stop)
    save_state(tmp_path / "state.pth", runner=first, metrics=first.recorder.metrics, iteration=stop)
    second = make_runner(tmp_path / "parts", interval=4, iters=6)
    second.iter = load_state(tmp_path / "state.pth", runner=second, metrics=second.recorder.metrics)
    start(second)
    go(second, 6)

    lines = [
        [line | {"iter_s": 0, "memory_mib": 0} for line in lines_of(tmp_path / name)] for name in ("straight", "parts")
    ]
    assert [line["iter"] for line in lines[0]] == [4, 6]
    assert lines[0][-1]["health"]["alarm"] is not None
    assert lines[1] == lines[0]


def test_only_the_first_process_writes_and_all_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"iter": 9}) + "\n")
    monkeypatch.setattr(module, "is_main_process", lambda: False)
    runner = make_runner(tmp_path, interval=1)
    start(runner)
    display = Display()
    runner.recorder.display = display
    step(runner, teacher=[0, 1, 2])
    runner.recorder.after_val_epoch(runner, {"miou_pct": 50.0})
    assert lines_of(tmp_path) == [{"iter": 9}]
    assert display.health is not None
    assert runner.model.health.summary() is None


def show(runner: Any, *, width: int = 160, terminal: bool = False) -> io.StringIO:
    """Give the runner's recorder a display, and return what it prints."""
    text = io.StringIO()
    console = Console(file=text, width=width, force_terminal=terminal, color_system=None, legacy_windows=False)
    runner.recorder.display = TrainingProgress(console, "cell")
    return text


def test_an_alarm_is_printed_once_for_each_class_that_it_is_about(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, interval=1)
    text = show(runner)
    start(runner)
    # So many images that those before no longer count.
    many = 8000
    step(runner, teacher=[0, 1, 2], images=many)
    assert text.getvalue() == ""
    step(runner, teacher=[0, 1], images=many)
    step(runner, teacher=[0, 0, 1], images=many)
    step(runner, teacher=[0, 1, 2], images=many)
    step(runner, teacher=[0, 1], images=many)
    printed = text.getvalue().splitlines()
    assert len(printed) == 1
    assert printed[0].startswith(
        "warning: The teacher has almost stopped predicting road: 0.0 % of target pixels against 12.5 % in the source"
    )
    # One line, although longer than the console is wide: a log can be searched for it.
    assert len(printed[0]) > 160
    step(runner, teacher=[0] * 49 + [1], images=many)
    step(runner, teacher=[0] * 49 + [1], images=many)
    printed = text.getvalue().splitlines()
    assert len(printed) == 2
    assert printed[1].startswith("warning: The teacher calls 98.0 % of target pixels background")
    assert "stopped predicting building and road: 2.0 % and 0.0 %" in printed[1]
    alarms = [line["health"]["alarm"] for line in lines_of(tmp_path)]
    assert [alarm is not None for alarm in alarms] == [False, True, True, False, True, True, True]
    assert f"warning: {alarms[1]}" == printed[0]


def test_a_few_images_without_a_class_raise_no_alarm(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, interval=1)
    text = show(runner)
    start(runner)
    step(runner, teacher=[0, 1], images=20)
    step(runner, teacher=[0, 1, 2], images=400)
    step(runner, teacher=[0, 1], images=20)
    assert [line["health"]["alarm"] for line in lines_of(tmp_path)] == [None] * 3
    assert lines_of(tmp_path)[-1]["health"]["teacher_share"]["road"] == 0.0
    assert text.getvalue() == ""


def test_the_evaluation_line_has_the_last_agreement(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, interval=1)
    text = show(runner)
    start(runner)
    step(runner)
    runner.recorder.after_val_epoch(runner, {"miou_pct": 50.0})
    step(runner, teacher=[0, 1, 2], student=[0, 1, 1])
    step(runner, teacher=[0, 1, 2])  # no student in this one
    runner.recorder.after_val_epoch(runner, {"miou_pct": 51.0})
    assert text.getvalue().splitlines() == [
        "cell: 1/8 iterations, loss 1.000, mIoU 50.00 %",
        "cell: 3/8 iterations, loss 2.000, mIoU 51.00 %, teacher and student agree on 67 %",
    ]


@pytest.mark.parametrize(("width", "pace_stays"), [(160, True), (120, False), (80, False)])
def test_the_live_line_shows_the_agreement_instead_of_the_pace_if_it_is_short_of_space(
    tmp_path: Path, width: int, pace_stays: bool
) -> None:
    runner = make_runner(tmp_path, interval=1)
    text = show(runner, width=width, terminal=True)
    start(runner)
    for _ in range(2):
        step(runner, teacher=[0, 1, 2], student=[0, 1, 2])
    runner.recorder.after_train(runner)
    last = [line for line in re.split(r"[\r\n]", text.getvalue()) if "mIoU" in line][-1]
    assert "agree 100 %" in last
    assert ("it/s" in last) == pace_stays
    assert "loss" in last
