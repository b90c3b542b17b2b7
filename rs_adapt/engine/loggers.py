"""TensorBoard, W&B, MLflow, ClearML and Aim, through mmengine's backends: they are told what `metrics.jsonl` says."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import VISBACKENDS

from rs_adapt.engine.metrics_writer import MetricsHook
from rs_adapt.errors import ConfigError, UnknownName
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.runs.selection import is_evaluation

NONE = "none"
# The package of each, which is also what it is imported as.
LOGGERS = ("tensorboard", "wandb", "mlflow", "clearml", "aim")
_PROJECT = "rs-adapt"
_TABLES = ("health", "source_val", "label_free")


def resolve_loggers(names: Sequence[str] | None) -> tuple[str, ...]:
    """The loggers of a run.

    Args:
        names: As a user gives them; None or empty for TensorBoard where it is installed. `none` stands alone.

    Raises:
        UnknownName: There is no such logger.
        ConfigError: Its package is not installed, or `none` is one of several.
    """
    if not names:
        return ("tensorboard",) if find_spec("tensorboard") else ()
    for name in names:
        if name not in (*LOGGERS, NONE):
            raise UnknownName(f"There is no logger {name!r}. Known: {', '.join((*LOGGERS, NONE))}.")
    if NONE in names:
        if len(set(names)) > 1:
            raise ConfigError(f"--logger none beside {', '.join(sorted({*names} - {NONE}))}: leave one of them out.")
        return ()
    for name in names:
        if find_spec(name) is None:
            package = "'rs-adapt[tensorboard]'" if name == "tensorboard" else name
            raise ConfigError(f"--logger {name}: its package is not installed. Install it with: pip install {package}")
    return tuple(dict.fromkeys(names))


def backend_settings(name: str, *, run_dir: Path, title: str, run_id: str | None) -> dict[str, Any]:
    """The configuration of mmengine's backend.

    Args:
        name: One of `LOGGERS`.
        run_dir: The run folder, below which each keeps its files.
        title: What the run is called.
        run_id: The same when a run goes on; None for runs that have none.
    """
    folder = str(run_dir / name)
    if name == "tensorboard":
        return {"type": "TensorboardVisBackend", "save_dir": folder}
    if name == "wandb":
        start = {"project": _PROJECT, "name": title, "id": run_id, "resume": "allow"}
        # mmengine passes no step on.
        axis = [{"name": "*", "step_metric": "iter"}]
        return {"type": "WandbVisBackend", "save_dir": folder, "init_kwargs": start, "define_metric_cfg": axis}
    if name == "mlflow":
        server = os.environ.get("MLFLOW_TRACKING_URI")
        return {
            "type": "MLflowVisBackend",
            **{"save_dir": folder, "exp_name": _PROJECT, "run_name": title, "tracking_uri": server},
        }
    if name == "clearml":
        start = {"project_name": _PROJECT, "task_name": title}
        return {"type": "ClearMLVisBackend", "save_dir": folder, "init_kwargs": start}
    return {"type": "AimVisBackend", "save_dir": folder, "init_kwargs": {"experiment": title}}


def flatten_scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of `metrics.jsonl` by name, tables joined by slashes.

    Training lines stand below `train/`, scores of the target below `target/`, and `health/`, `source_val/` and
    `label_free/` are what they are in the file. `iter` is there too, for loggers that count lines themselves.
    """
    top = "target" if is_evaluation(dict(line)) else "train"
    told: dict[str, float] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}/{key}", inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            told[name] = float(value)

    for key, value in line.items():
        add(key if key in _TABLES or key == "iter" else f"{top}/{key}", value)
    return told


class LoggersHook(Hook):  # type: ignore[misc]
    """Passes each line of `metrics.jsonl` on, and at the start the resolved configuration.

    Args:
        names: Of `LOGGERS`, their packages installed.
        config: The resolved configuration.
    """

    # After MetricsHook (70) has made the line, before StateHook (90) may stop the run.
    priority = 80

    def __init__(self, names: Sequence[str], config: Any) -> None:
        self.names = tuple(names)
        self.config = config
        self._backends: list[Any] = []
        self._told: Any = None

    def before_train(self, runner: Any) -> None:
        """Start the loggers; a run that goes on keeps its place in those that can."""
        run_dir = Path(runner.work_dir)
        cell = self.config.cell
        title = " ".join(str(cell[axis]) for axis in ("bench", "setting", "method", "strategy", "seed"))
        run_id = json.loads((run_dir / CELL_FILE).read_text()).get("run_id")
        for name in self.names:
            backend = VISBACKENDS.build(backend_settings(name, run_dir=run_dir, title=title, run_id=run_id))
            backend.add_config(self.config)
            self._backends.append(backend)

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        """Pass on a line of training, if there is a new one."""
        self._pass_on(runner)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Pass on the scores of an evaluation."""
        self._pass_on(runner)

    def _pass_on(self, runner: Any) -> None:
        line = next(hook for hook in runner.hooks if isinstance(hook, MetricsHook)).last_line
        if line is None or line is self._told:
            return
        self._told = line
        for backend in self._backends:
            backend.add_scalars(flatten_scalars(line), step=line["iter"])

    def close(self) -> None:
        """Write out what waits; safe to call twice."""
        for name, backend in zip(self.names, self._backends, strict=False):
            # mmengine would call a function that new versions of wandb have not; wandb ends by itself.
            if name != "wandb":
                backend.close()
        self._backends = []
