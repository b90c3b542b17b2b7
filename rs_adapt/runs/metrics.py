"""`metrics.jsonl` of a run: reading its lines, and making the line of an evaluation. Loads no torch."""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rs_adapt import limits
from rs_adapt.documents import DocumentError, parse_json, read_bytes
from rs_adapt.errors import UnreadableFile
from rs_adapt.runs.files import METRICS_FILE, RESULT_FILE
from rs_adapt.runs.records import EvaluationLine, MetricsLine, TrainingLine
from rs_adapt.runs.records.record import SCORES
from rs_adapt.validation import parse_as

# The sets that an evaluation covers besides the labelled tiles of the target; each has its own table in the line.
_PANELS = ("source_val", "label_free")


def scan_metrics(run_dir: Path, *, finished: bool) -> tuple[tuple[MetricsLine, ...], str]:
    """Read the lines of a run's `metrics.jsonl` up to the first that is damaged.

    Args:
        run_dir: The run folder.
        finished: Whether the run has ended. The last line of an unfinished one may be half written, and is skipped.

    Returns:
        The lines, oldest first, and one sentence about the damage; no lines and no damage where there is no file.
    """
    path = run_dir / METRICS_FILE
    try:
        texts = read_bytes(path, most=limits.LOG_BYTES).decode(errors="replace").splitlines()
    except OSError as failure:
        return (), "" if failure.errno != errno.EFBIG else f"it is not read: {failure.strerror}"
    lines: list[MetricsLine] = []
    for number, text in enumerate(texts, 1):
        try:
            lines.append(metrics_line(parse_json(text), file=f"line {number}"))
        except (DocumentError, UnreadableFile) as error:
            if finished or number < len(texts):
                return tuple(lines), f"line {number} cannot be read ({error}); the curves end there"
    return tuple(lines), ""


def read_metrics(run_dir: Path) -> list[MetricsLine]:
    """Return all lines of a run's `metrics.jsonl`, oldest first; empty if there is none.

    Raises:
        UnreadableFile: A line is damaged, other than the last one of an unfinished run.
    """
    lines, damage = scan_metrics(run_dir, finished=(run_dir / RESULT_FILE).is_file())
    if damage:
        raise UnreadableFile(f"{run_dir / METRICS_FILE}: {damage}. Copy the run again, or train it again.")
    return list(lines)


def metrics_line(content: Mapping[str, Any], *, file: str = METRICS_FILE) -> MetricsLine:
    """Return the record of a line.

    Raises:
        UnreadableFile: The line is not a table, has no `iter`, or a value is of the wrong kind.
    """
    # A source-free run without labels has no score in an evaluation, but label-free statistics.
    evaluated = isinstance(content, Mapping) and any(key in content for key in (*SCORES, *_PANELS))
    record: type[EvaluationLine] | type[TrainingLine] = EvaluationLine if evaluated else TrainingLine
    return parse_as(record, content, file=file, error=UnreadableFile)


def evaluated_iterations(run_dir: Path) -> set[int]:
    """Return the iterations at which a run has been evaluated."""
    return {line.iter for line in read_metrics(run_dir) if isinstance(line, EvaluationLine)}


def evaluation_after(run_dir: Path, saved: str, iteration: int) -> EvaluationLine | None:
    """Return the evaluation of an iteration that `metrics.jsonl` has beyond the lines of a training state.

    Args:
        run_dir: The run folder.
        saved: The text of the file when the state was saved, before its iteration was evaluated.
        iteration: The iteration of the state.

    Returns:
        None where the file has no such line, where that line is damaged, or where the lines before it were changed.
    """
    try:
        text = (run_dir / METRICS_FILE).read_text(encoding="utf-8")
        if not text.startswith(saved):
            return None
        first, end, _ = text[len(saved) :].partition("\n")
        line = metrics_line(parse_json(first)) if end else None
    except (OSError, ValueError, UnreadableFile):
        return None
    return line if isinstance(line, EvaluationLine) and line.iter == iteration else None


def evaluation_line(iteration: int, metrics: Mapping[str, float]) -> EvaluationLine:
    """Return the line of an evaluation.

    Args:
        iteration: Iterations done.
        metrics: Value by name. Scores of the target stand at the top; `source_val/miou_pct` and the like become tables.
    """
    line: dict[str, Any] = {"iter": iteration}
    for name, value in metrics.items():
        panel, _, rest = name.partition("/")
        table, name = (line.setdefault(panel, {}), rest) if panel in _PANELS else (line, name)
        # The name of a class may contain a slash.
        key, _, inner = name.partition("/")
        if inner:
            table.setdefault(key, {})[inner] = value
        else:
            table[key] = value
    return parse_as(EvaluationLine, finite(line), file=METRICS_FILE)


def finite(value: Any) -> Any:
    """Replace NaN and infinity by None at any depth, because JSON has neither; the IoU of an absent class is NaN."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
