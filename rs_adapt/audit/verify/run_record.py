"""Read a run folder of rs-adapt as a record: configuration, curves and result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rs_adapt.audit.verify.mmengine_log import config_facts, read_config, read_log
from rs_adapt.audit.verify.record import Evaluation, Record, TrainLine
from rs_adapt.config.literals import read_literals
from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, METRICS_FILE, RESULT_FILE
from rs_adapt.runs.records import Result
from rs_adapt.runs.records.record import SCORES
from rs_adapt.runs.run import Run
from rs_adapt.scores.contradictions import check_result
from rs_adapt.scores.current import current_run


def read_reference(path: Path) -> Record:
    """Return the record of a run folder of rs-adapt, of a log, or of a configuration in Python.

    Raises:
        ConfigError: See `read_run`, `read_log` and `read_config`.
    """
    if (path / CELL_FILE).is_file():
        return read_run(path)
    return read_config(path) if path.suffix == ".py" else read_log(path)


def read_run(folder: Path) -> Record:
    """Return the record of a run of rs-adapt, finished or not.

    Raises:
        ConfigError: The folder holds no run, or a file of it is damaged.
    """
    if not (folder / CELL_FILE).is_file() or not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"{folder} is not a run folder: it needs {CELL_FILE} and {CONFIG_FILE}. Name the folder that "
            "`rs-adapt train` wrote (--work-dir)."
        )
    facts, others, _ = config_facts(read_literals(folder / CONFIG_FILE, remedy="Copy the run again."))
    try:
        stated = Run.read(folder)
        run = current_run(stated)
        if run.damage:
            raise UnreadableFile(run.damage[0].why)
    except UnreadableFile as error:
        raise ConfigError(
            f"The run in {folder} is damaged: {error} Check {CELL_FILE}, {METRICS_FILE} and {RESULT_FILE} "
            "there, or train it again."
        ) from error
    result = run.result
    train = tuple(
        TrainLine(iteration=line.iter, lr=line.lr, loss=line.loss)
        for line in run.training_lines
        if line.loss is not None
    )
    evaluations = tuple(
        Evaluation(iteration=line.iter, miou_pct=score_pct, iou_pct=_without_none(line.iou_pct))
        for line in run.evaluations
        if (score_pct := line.score_pct) is not None
    )
    scored = result or next(iter(run.evaluations), None)
    last, interval = (None, None) if result is None else _headline(result)
    remarks = () if result else ("the run is not finished: its last evaluation stands for its result.",)
    contradictions = () if stated.result is None else check_result(folder, stated.result)
    return Record(
        name=folder.name,
        facts=facts,
        others=others,
        ours=True,
        train=train,
        evaluations=evaluations,
        loss_window="mean over the iterations since the previous line",
        last_pct=last,
        best_given=None if result is None else _oracle(result),
        tested_apart=any(name.startswith("bench.target.test.") for name in others),
        interval_pct=interval,
        interval_of_pct=run.score_pct,
        score_title=SCORES[scored.score_key] if scored is not None else "mIoU",
        cell=run.cell,
        remarks=remarks,
        contradictions=contradictions,
    )


def _without_none(iou_pct: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in iou_pct.items()}


def _headline(result: Result) -> tuple[float | None, tuple[float, float] | None]:
    """Return the score of the last weights in percent, and the bootstrap interval of the result where it has one.

    The result need not belong to the last weights: a protocol may select other ones.
    """
    selected = result.selections.get("last")
    headline = result.score_pct if result.headline in (None, "last") else None
    score = headline if selected is None else selected.score_pct
    interval = result.interval
    if interval is None or interval.low is None or interval.high is None:
        return score, None
    return score, (interval.low, interval.high)


def _oracle(result: Result) -> tuple[float, int] | None:
    """Return score in percent and iteration of the evaluation that was chosen by the target's labels."""
    selected = result.selections.get("oracle")
    if selected is not None:
        return None if selected.score_pct is None else (selected.score_pct, selected.iter)
    # Before there were selections, the result had a table of its own for it.
    oracle = (result.model_extra or {}).get("oracle")
    if not isinstance(oracle, dict):
        return None
    miou, iteration = oracle.get("miou_pct"), oracle.get("iter", oracle.get("iteration"))
    return None if miou is None or iteration is None else (float(miou), int(iteration))
