"""Training logs of mmengine and mmcv: the text log, and the JSON lines beside it (`vis_data/scalars.json`).

A text log holds the environment, the configuration below `Config:`, a line every few iterations and the scores of each
evaluation, with a table of the classes above them. Logs of mmsegmentation and of rs-adapt (`train.log`) are read; logs
that count epochs are not. mmcv leaves out `(train)`, and states scores as shares where mmengine has percent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from rs_adapt import limits
from rs_adapt.audit.foreign.log_text import dumps, lines_of, log_within, other_dumps
from rs_adapt.audit.foreign.reader import parse_foreign, read_foreign
from rs_adapt.audit.verify.config_tree import Facts, Tree
from rs_adapt.audit.verify.facts import mmseg_facts, resolved_facts
from rs_adapt.audit.verify.mmcv import as_mmengine, is_mmcv
from rs_adapt.audit.verify.record import Evaluation, Record, TrainLine
from rs_adapt.config.literals import LiteralConfig
from rs_adapt.documents import parse_json, read_bytes
from rs_adapt.errors import ConfigError

_TRAIN = re.compile(r"\bIter(?:\(train\))?\s*\[\s*(\d{1,12})/(\d{1,12})\](.*)")
# mmengine states how many batches are done of how many, mmcv one number.
_VAL = re.compile(r"Iter\(val\)\s*\[\s*\d{1,12}(/\d{1,12})?\](.*)")
_EPOCHS = re.compile(r"\bEpoch(?:\(train\))?\s*\[")
_SAVED = re.compile(r"Saving checkpoint at (\d{1,12}) iterations")
# A name has a length: from each blank of a long text, it would else be looked for up to the end.
_PAIR = re.compile(r"(?:^|\s)([A-Za-z_][\w./ -]{0,80}?): ([-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf))(?=[\s,]|$)")
_ROW = re.compile(r"^\|(.+)\|\s*$")
_SEED = re.compile(r"(?:^\s+(?:numpy_random_)?seed:|- Set random seed to) (\d{1,20})(?:\s*$|,)")
# The window of mmengine's LogProcessor, and the interval of mmcv's loggers, where a configuration sets none.
_WINDOW = 10


def read_log(path: Path) -> Record:
    """Return the run that a log describes.

    Args:
        path: A text log, a file of JSON lines, or a folder that holds one run's log.

    Raises:
        ConfigError: There is no such log, it is damaged or of another program, or its configuration is refused.
    """
    if path.is_dir():
        path = log_within(path)
    try:
        raw = read_bytes(path, most=limits.LOG_BYTES)
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {error.strerror}. Name a training log of mmengine or mmcv.") from error
    if b"\0" in raw:
        raise _foreign(path, "it is not text")
    text = raw.decode("utf-8", errors="replace")
    if not text.strip():
        raise _foreign(path, "it is empty")
    record = _read_json_lines(path, text) if text.lstrip().startswith("{") else _read_text(path, text)
    if not record.train and not record.evaluations:
        raise _foreign(path, "it holds neither training lines nor evaluations")
    if damaged := [number for number, line in enumerate(lines_of(text), start=1) if "\ufffd" in line]:
        remark = f"{path.name} is damaged: {len(damaged)} lines hold bytes that are not UTF-8, first line {damaged[0]}."
        record = replace(record, remarks=(*record.remarks, remark))
    return record


def read_config(path: Path) -> Record:
    """Return the configuration in a file of Python, of mmengine, mmcv or rs-adapt, with its bases; it has no curves.

    Raises:
        ConfigError: It is not read; see `rs_adapt.audit.foreign.reader`.
    """
    content = read_foreign(path).root.plain()
    facts, others, ours = _split_facts(content)
    remark = f"{path.name} is a configuration: keys are compared, and no curve or score."
    mmcv = is_mmcv(content)
    return Record(name=path.name, facts=facts, others=others, ours=ours, mmcv=mmcv, remarks=(remark,))


def _read_text(path: Path, text: str) -> Record:
    if not _TRAIN.search(text) and _EPOCHS.search(text):
        raise _foreign(path, "it counts epochs")
    # No line of mmengine is longer; other programs may print anything.
    lines = [line[: limits.LOG_LINE_CHARS] for line in lines_of(text)]
    if not text.endswith("\n") and " " in lines[-1]:
        # The log of a killed run may end in the middle of a number.
        lines[-1] = lines[-1].rpartition(" ")[0]
    found = list(dumps(lines))
    content = None
    if found:
        first_line, dump = found[-1]
        content = parse_foreign(dump, path=path, first_line=first_line).root.plain()
    facts, others, ours = _split_facts(content)
    interval = (facts or {}).get("bench.schedule.eval_every")
    train, evaluations = _curves(path, lines, interval if isinstance(interval, int) and interval > 0 else None)
    seeds = [int(match[1]) for line in lines if (match := _SEED.search(line))]
    if facts is not None:
        if seeds:
            facts.setdefault("randomness.seed", seeds[-1])
        if evaluations and evaluations[-1].iou_pct:
            facts.setdefault("bench.classes", list(evaluations[-1].iou_pct))
    mmcv = is_mmcv(content) if content else "Iter(train)" not in text
    return Record(
        name=path.name,
        facts=facts,
        others=others,
        ours=ours,
        train=tuple(train),
        evaluations=tuple(evaluations),
        lr_digits=3 if mmcv else 4,
        loss_window=_window(content),
        mmcv=mmcv,
        remarks=tuple(_remarks(path, lines, found, scored=bool(evaluations))),
    )


def _remarks(path: Path, lines: list[str], found: list[tuple[int, str]], *, scored: bool) -> Iterator[str]:
    if not found:
        yield f"{path.name} holds no configuration: only curves are compared."
    elif others := other_dumps(found):
        at = ", ".join(f"line {number}" for number in others)
        yield f"{path.name} holds other configurations before the last one ({at}): the last is compared."
    names = {name for line in lines if (match := _VAL.search(line)) for name in _pairs(match[2]) if "mIoU" in name}
    if names and not scored:
        yield f"{path.name} states {', '.join(sorted(names))} and no mIoU of one name: its scores are not compared."


def _split_facts(content: Facts | None) -> tuple[Facts | None, Facts, bool]:
    """Return `config_facts` of a configuration; nothing without one."""
    if content is None:
        return None, {}, False
    ours = isinstance(content.get("cell"), dict) and isinstance(content.get("bench"), dict)
    foreign = content if ours else _with_short_types(content)
    tree = Tree(as_mmengine(foreign) if not ours and is_mmcv(content) else foreign)
    return (resolved_facts if ours else mmseg_facts)(tree), tree.unread(), ours


def _with_short_types(value: Any) -> Any:
    """Return a configuration with `AdamW` for `torch.optim.AdamW`: new-style configurations print whole paths."""
    if isinstance(value, dict):
        return {
            key: item.rpartition(".")[2] if key == "type" and isinstance(item, str) else _with_short_types(item)
            for key, item in value.items()
        }
    return [_with_short_types(item) for item in value] if isinstance(value, list | tuple) else value


def config_facts(config: LiteralConfig) -> tuple[Facts, Facts, bool]:
    """Return the facts of a configuration, its other keys, and whether rs-adapt resolved it."""
    facts, others, ours = _split_facts(config.values)
    return facts or {}, others, ours


def _curves(path: Path, lines: list[str], every: int | None) -> tuple[list[TrainLine], list[Evaluation]]:
    train: list[TrainLine] = []
    evaluations: list[Evaluation] = []
    done, evaluated, table = 0, 0, dict[str, float]()
    # The column of IoU in the table of classes; other columns may stand before it.
    column = 1
    for line in lines:
        if match := _TRAIN.search(line):
            iteration, values = int(match[1]), _pairs(match[3])
            if iteration <= done:
                # Resumed from an earlier state: later lines are logged again.
                train = [entry for entry in train if entry.iteration < iteration]
                evaluations = [entry for entry in evaluations if entry.iteration < iteration]
                evaluated = evaluations[-1].iteration if evaluations else 0
            done = iteration
            train.append(TrainLine(iteration=iteration, lr=values.get("lr"), loss=values.get("loss")))
        elif match := _SAVED.search(line):
            done = max(done, int(match[1]))
        elif match := _VAL.search(line):
            scores = _pairs(match[2])
            miou = scores.get("mIoU", scores.get("miou_pct"))
            if miou is None:
                continue
            miou = miou if match[1] else 100 * miou
            # The line does not state its iteration: the first of the schedule at or after the last training line.
            iteration = done if every is None else math.ceil(max(done, evaluated + 1) / every) * every
            iou = {name.removeprefix("iou_pct/"): value for name, value in scores.items() if "iou_pct/" in name}
            evaluations.append(Evaluation(iteration=iteration, miou_pct=miou, iou_pct=iou or table))
            evaluated, table = iteration, {}
        elif row := _ROW.match(line):
            cells = [cell.strip() for cell in row[1].split("|")]
            if cells[0] == "Class":
                table, column = {}, cells.index("IoU") if "IoU" in cells else len(cells)
            elif "mIoU" in cells:
                # A table of means below that of the classes, as mmcv prints it.
                column = len(cells)
            elif column < len(cells) and (value := _number(cells[column])) is not None:
                table[cells[0]] = value
    return train, evaluations


def _read_json_lines(path: Path, text: str) -> Record:
    train: list[TrainLine] = []
    evaluations: list[Evaluation] = []
    epoch = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            facts = dict(parse_json(line, allow_nan=True))
            if facts.get("mode") == "val" and train:
                # mmcv counts the batches of the evaluation here, and states a share.
                if "mIoU" in facts:
                    score = 100 * float(facts["mIoU"])
                    evaluations.append(Evaluation(iteration=train[-1].iteration, miou_pct=score))
            elif "mIoU" in facts or "miou_pct" in facts:
                miou = float(facts["mIoU"] if "mIoU" in facts else facts["miou_pct"])
                evaluations.append(Evaluation(iteration=int(facts["step"]), miou_pct=miou))
            elif "loss" in facts or "lr" in facts:
                iteration = int(facts["iter"] if "iter" in facts else facts["step"])
                earlier, epoch = epoch, int(facts.get("epoch", 0))
                if train and iteration < train[-1].iteration and epoch > earlier:
                    # Its iterations begin again in each epoch; those of a resumed training go back with it.
                    raise _foreign(path, "it counts epochs")
                lr, loss = (None if facts.get(key) is None else float(facts[key]) for key in ("lr", "loss"))
                train.append(TrainLine(iteration=iteration, lr=lr, loss=loss))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise ConfigError(
                f"{path}, line {number} is damaged ({error!r}): the file is truncated, or not JSON lines of "
                "mmengine or mmcv. Copy the log again, or delete the line."
            ) from error
    content, remarks = _config_beside(path)
    facts_here, others, ours = _split_facts(content)
    return Record(
        name=path.name,
        facts=facts_here,
        others=others,
        ours=ours,
        train=tuple(train),
        evaluations=tuple(evaluations),
        loss_window=_window(content),
        remarks=remarks,
    )


def _config_beside(path: Path) -> tuple[Facts | None, tuple[str, ...]]:
    """Return the configuration that mmengine writes beside JSON lines (`vis_data/config.py`)."""
    beside = path.parent / "config.py"
    if not beside.is_file():
        return None, (f"no config.py lies beside {path.name}: only curves are compared.",)
    return read_foreign(beside).root.plain(), ()


def _window(content: Facts | None) -> str:
    content = content or {}
    table, key = ("log_config", "interval") if is_mmcv(content) else ("log_processor", "window_size")
    processor = content.get(table)
    window = processor.get(key, _WINDOW) if isinstance(processor, dict) else _WINDOW
    return f"mean of the last {window} iterations"


def _pairs(text: str) -> dict[str, float]:
    values = {name.split("  ")[-1].strip(): _number(value) for name, value in _PAIR.findall(text)}
    return {name: value for name, value in values.items() if value is not None}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _foreign(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read as a training log: {reason}. Name a text log of mmengine or mmcv that counts "
        "iterations, its JSON lines (vis_data/scalars.json), a folder that holds one of them, or a run folder of "
        "rs-adapt."
    )
