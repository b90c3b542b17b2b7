"""Loggers of a run: TensorBoard, W&B, MLflow, ClearML and Aim receive the lines of `metrics.jsonl`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.registry import VISBACKENDS

from rs_adapt.config.execution import NO_LOGGER, check_loggers
from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import CELL_FILE
from rs_adapt.runs.records import EvaluationLine, MetricsLine, RunStart, read_record

if TYPE_CHECKING:
    from mmengine.visualization import BaseVisBackend

    from rs_adapt.config.resolved import ResolvedConfig

_PROJECT = "rs-adapt"
_TABLES = ("health", "source_val", "label_free")


def resolve_loggers(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the loggers of a run, without duplicates.

    Args:
        names: As the user gives them; None or empty for TensorBoard if it is installed. `none` cannot be combined.

    Raises:
        UnknownName: There is no such logger.
        ConfigError: The package of a logger is not installed, or `none` is given together with others.
    """
    if not names:
        return ("tensorboard",) if find_spec("tensorboard") else ()
    check_loggers(names)
    if NO_LOGGER in names:
        if len(set(names)) > 1:
            others = ", ".join(sorted({*names} - {NO_LOGGER}))
            raise ConfigError(f"--logger none cannot be combined with {others}. Leave one of them out.")
        return ()
    for name in names:
        if find_spec(name) is None:
            package = "'rs-adapt[tensorboard]'" if name == "tensorboard" else name
            raise ConfigError(f"--logger {name}: its package is not installed. Install it with: pip install {package}")
    return tuple(dict.fromkeys(names))


def backend_settings(name: str, *, run_dir: Path, title: str, run_id: str | None) -> dict[str, Any]:
    """Return the configuration of mmengine's backend for a logger.

    Args:
        name: One of `LOGGERS`.
        run_dir: The run folder, in which each logger stores its files.
        title: Display name of the run.
        run_id: Identifier that lets a logger continue a resumed run; None for runs without one.
    """
    folder = str(run_dir / name)
    if name == "tensorboard":
        return {"type": "TensorboardVisBackend", "save_dir": folder}
    if name == "wandb":
        init = {"project": _PROJECT, "name": title, "id": run_id, "resume": "allow"}
        # mmengine does not pass the step on.
        axis = [{"name": "*", "step_metric": "iter"}]
        return {"type": "WandbVisBackend", "save_dir": folder, "init_kwargs": init, "define_metric_cfg": axis}
    if name == "mlflow":
        server = os.environ.get("MLFLOW_TRACKING_URI")
        return {
            "type": "MLflowVisBackend",
            **{"save_dir": folder, "exp_name": _PROJECT, "run_name": title, "tracking_uri": server},
        }
    if name == "clearml":
        init = {"project_name": _PROJECT, "task_name": title}
        return {"type": "ClearMLVisBackend", "save_dir": folder, "init_kwargs": init}
    return {"type": "AimVisBackend", "save_dir": folder, "init_kwargs": {"experiment": title}}


def flatten_scalars(line: MetricsLine) -> dict[str, float]:
    """Return the numbers of a line of `metrics.jsonl` by name, with nested tables joined by slashes.

    Values of training lines get the prefix `train/` and scores of the target `target/`; `health/`, `source_val/` and
    `label_free/` keep their names. `iter` is included for loggers that count lines themselves.
    """
    top = "target" if isinstance(line, EvaluationLine) else "train"
    scalars: dict[str, float] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}/{key}", inner)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            scalars[name] = float(value)

    for key, value in line.content().items():
        add(key if key in _TABLES or key == "iter" else f"{top}/{key}", value)
    return scalars


class Loggers:
    """Sends each line of `metrics.jsonl` to the loggers, and at the start the resolved configuration.

    Args:
        names: From `LOGGERS`, with their packages installed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._backends: list[BaseVisBackend] = []

    def start(self, run_dir: Path, cfg: ResolvedConfig) -> None:
        """Start the loggers; a resumed run continues in place in those that support it."""
        if not self.names:
            return
        title = " ".join(str(cfg.cell[axis]) for axis in ("bench", "setting", "method", "strategy", "seed"))
        start = read_record(run_dir / CELL_FILE, RunStart)
        run_id = None if start is None else start.run_id
        for name in self.names:
            backend = VISBACKENDS.build(backend_settings(name, run_dir=run_dir, title=title, run_id=run_id))
            backend.add_config(cfg)
            self._backends.append(backend)

    def write(self, line: MetricsLine) -> None:
        """Send a line of `metrics.jsonl`."""
        for backend in self._backends:
            backend.add_scalars(flatten_scalars(line), step=line.iter)

    def close(self) -> None:
        """Flush and close the loggers; safe to call twice."""
        for name, backend in zip(self.names, self._backends, strict=False):
            # mmengine would call a function that new versions of wandb lack; wandb finishes by itself.
            if name != "wandb":
                backend.close()
        self._backends = []
