"""Loggers are told what metrics.jsonl says, change nothing, and are refused before a run begins if they are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rs_adapt.config.execution import LOGGERS
from rs_adapt.engine import loggers
from rs_adapt.engine.loggers import backend_settings, flatten_scalars, resolve_loggers
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.errors import ConfigError, UnknownName
from rs_adapt.runs.metrics import metrics_line, read_metrics
from tests.engine.test_train import SignalAt


def lines_of(run: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl as they are written."""
    return [line.content() for line in read_metrics(run)]


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: name if name in names else None)


def test_tensorboard_is_the_default_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "tensorboard", "wandb")
    assert resolve_loggers(None) == resolve_loggers([]) == ("tensorboard",)
    assert resolve_loggers(["none"]) == ()
    assert resolve_loggers(["wandb", "tensorboard", "wandb"]) == ("wandb", "tensorboard")
    installed(monkeypatch)
    assert resolve_loggers(None) == ()


@pytest.mark.parametrize("name", LOGGERS)
def test_a_logger_that_is_not_installed_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    installed(monkeypatch)
    with pytest.raises(ConfigError, match=f"--logger {name}: .* pip install .*{name}"):
        resolve_loggers([name])


def test_names_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UnknownName, match="no logger 'comet'. Known: tensorboard, wandb, mlflow, clearml, aim, none"):
        resolve_loggers(["comet"])
    with pytest.raises(ConfigError, match="none cannot be combined with wandb"):
        resolve_loggers(["none", "wandb"])


@pytest.mark.parametrize("name", LOGGERS)
def test_mmengine_accepts_the_settings_of_each_backend(tmp_path: Path, name: str) -> None:
    settings = backend_settings(name, run_dir=tmp_path, title="a run", run_id="0123")
    backend = loggers.VISBACKENDS.build(settings)
    assert Path(backend._save_dir).parent == tmp_path
    if name == "wandb":
        assert (backend._init_kwargs["id"], backend._init_kwargs["resume"]) == ("0123", "allow")


def test_lines_become_names_and_numbers() -> None:
    training = {
        "iter": 4,
        "loss": 1.5,
        "mix.loss": 2.0,
        "health": {"agreement": None, "alarm": "no", "share": {"a": 1}},
    }
    named = {"iter": 4, "train/loss": 1.5, "train/mix.loss": 2.0, "health/share/a": 1}
    assert flatten_scalars(metrics_line(training)) == named
    scores = {"iter": 4, "miou_pct": 3.0, "iou_pct": {"a": 3.0, "b": None}, "label_free": {"entropy": 0.5}}
    assert flatten_scalars(metrics_line(scores)) == {
        **{"iter": 4, "target/miou_pct": 3.0, "target/iou_pct/a": 3.0, "label_free/entropy": 0.5},
    }


class Recorder:
    """A backend that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, dict[str, float]]] = []
        self.config: Any = None
        self.closed = False

    def add_config(self, config: Any) -> None:
        self.config = config

    def add_scalars(self, scalars: dict[str, float], step: int) -> None:
        self.told.append((step, scalars))

    def close(self) -> None:
        self.closed = True


def test_a_logger_gets_all_lines_and_changes_no_number(
    tiny_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(loggers.VISBACKENDS, "build", lambda settings: recorder)
    runs = []
    for run, names in (("with", ("aim",)), ("without", ())):
        cfg = tiny_cell("da", run=run, iters=3)
        train(cfg, device="cpu", loggers=names)
        runs.append([line | {"iter_s": None} for line in lines_of(tmp_path / run)])
    assert runs[0] == runs[1]
    assert recorder.told == [(line.iter, flatten_scalars(line)) for line in read_metrics(tmp_path / "with")]
    assert len(recorder.told) == 4
    assert "train_dataloader" in recorder.config.pretty_text
    assert recorder.closed


def test_tensorboard_continues_in_the_same_folder(tiny_cell, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    cfg = tiny_cell("dg", iters=3)
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", loggers=("tensorboard",), hooks=[SignalAt(2)])
    train(cfg, device="cpu", resume=True, loggers=("tensorboard",))
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    lines = lines_of(tmp_path / "run")
    losses = [(line["iter"], line["loss"]) for line in lines if "loss" in line]
    assert [(event.step, pytest.approx(event.value)) for event in events.Scalars("train/loss")] == losses
    scores = [line["miou_pct"] for line in lines if "miou_pct" in line]
    assert [event.value for event in events.Scalars("target/miou_pct")] == pytest.approx(scores)
    assert "config/text_summary" in events.Tags()["tensors"]
