"""A run folder of ours as a record: configuration, curves and result, read as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rs_adapt.audit.verify.mmengine_log import config_facts, read_log
from rs_adapt.audit.verify.record import Evaluation, Record, TrainLine
from rs_adapt.config.literals import read_literals
from rs_adapt.errors import ConfigError
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, METRICS_FILE, RESULT_FILE
from rs_adapt.runs.metrics import read_metrics


def read_reference(path: Path) -> Record:
    """Return a run folder of ours, or what a log describes.

    Raises:
        ConfigError: see `read_run` and `read_log`.
    """
    return read_run(path) if (path / CELL_FILE).is_file() else read_log(path)


def read_run(folder: Path) -> Record:
    """Return a run of ours, finished or not.

    Raises:
        ConfigError: the folder holds no run, or a file of it is damaged.
    """
    if not (folder / CELL_FILE).is_file() or not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"{folder} holds no run of rs-adapt ({CELL_FILE}, {CONFIG_FILE}). Name the folder that `rs-adapt train` "
            "wrote (--work-dir)."
        )
    facts, others, _ = config_facts(read_literals(folder / CONFIG_FILE, remedy="Copy the run again."))
    try:
        cell = dict(json.loads((folder / CELL_FILE).read_text(encoding="utf-8"))["cell"])
        lines = read_metrics(folder)
        done = folder / RESULT_FILE
        result = json.loads(done.read_text(encoding="utf-8")) if done.is_file() else None
        train = tuple(_train_line(line) for line in lines if "loss" in line)
        evaluations = tuple(_evaluation(line) for line in lines if line.get("miou_pct") is not None)
        last, interval = _headline(result or {})
        best = _oracle(result or {})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"the run in {folder} is damaged: {error!r}. Look at {CELL_FILE}, {METRICS_FILE} and {RESULT_FILE} "
            "there, or train it anew."
        ) from error
    remarks = () if result else ("the run is not finished: its last evaluation stands for its result.",)
    return Record(
        name=folder.name,
        facts=facts,
        others=others,
        ours=True,
        train=train,
        evaluations=evaluations,
        loss_window="mean of the iterations since the line before",
        last_pct=last,
        best_given=best,
        tested_apart=any(name.startswith("bench.target.test.") for name in others),
        interval_pct=interval,
        interval_of_pct=result.get("miou_pct") if result else None,
        cell=cell,
        remarks=remarks,
    )


def _train_line(line: dict[str, Any]) -> TrainLine:
    return TrainLine(iteration=line["iter"], lr=line.get("lr"), loss=line["loss"])


def _evaluation(line: dict[str, Any]) -> Evaluation:
    iou = {name: float("nan") if value is None else value for name, value in (line.get("iou_pct") or {}).items()}
    return Evaluation(iteration=line["iter"], miou_pct=line["miou_pct"], iou_pct=iou)


def _headline(result: dict[str, Any]) -> tuple[float | None, tuple[float, float] | None]:
    """MIoU of the last weights in percent, and the bootstrap interval of the result where it has one.

    The result need not be that of the last weights: a protocol may say otherwise.
    """
    selected = (result.get("selections") or {}).get("last") or {}
    headline = result.get("miou_pct") if result.get("headline", "last") == "last" else None
    miou = selected.get("miou_pct", headline)
    interval = result.get("interval") or {}
    low, high = interval.get("low"), interval.get("high")
    return miou, (float(low), float(high)) if low is not None and high is not None else None


def _oracle(result: dict[str, Any]) -> tuple[float, int] | None:
    """MIoU in percent and iteration of the evaluation that the target's labels chose."""
    selected = (result.get("selections") or {}).get("oracle") or result.get("oracle") or {}
    miou, iteration = selected.get("miou_pct"), selected.get("iter", selected.get("iteration"))
    return None if miou is None or iteration is None else (float(miou), int(iteration))
