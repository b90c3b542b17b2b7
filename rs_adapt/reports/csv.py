"""The runs of a report as rows for CSV and JSON: all numbers of a run in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rs_adapt.render.csv_text import csv_text
from rs_adapt.reports.cost import count_adapter_parameters, pack_bytes
from rs_adapt.reports.run_tables import format_path, format_revision
from rs_adapt.runs.collect import Collection, describe_failure
from rs_adapt.runs.records import CellNames
from rs_adapt.runs.run import Run
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.groups import RunScore, Scores
from rs_adapt.scores.intervals import bootstrap
from rs_adapt.scores.rounding import pair
from rs_adapt.scores.tuning import describe_values, tuned_values_of
from rs_adapt.scores.units import units_of

# Columns differ between runs: `iou_pct.NAME` has the names of the bench's classes.
RunRow = dict[str, str | int | float | bool | None]
# `tuned` and the protocol are left out here: `_row` writes them to separate columns.
_AXES = tuple(name for name in CellNames.model_fields if name not in ("tuned", "protocol"))


def run_rows(
    collection: Collection, scores: Scores, base: Path, gains: Mapping[Path, Mapping[str, float | None]]
) -> list[RunRow]:
    """Return a row for each run, finished or not, with None for missing values.

    Args:
        collection: All runs of the report.
        scores: Scores of the finished runs.
        base: Folder that the folders in the rows are relative to.
        gains: Gains over references by run folder, from `gains_of_runs`.
    """
    by_folder = {score.run.folder: score for score in scores.all_runs}
    return [_row(run, by_folder.get(run.folder), base, gains.get(run.folder, {})) for run in collection.runs]


def render_csv(rows: Sequence[RunRow]) -> str:
    """Return CSV text of the rows with the union of their columns; missing values are empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return csv_text([columns, *([row.get(key) for key in columns] for row in rows)])


def _row(run: Run, score: RunScore | None, base: Path, gains: Mapping[str, float | None]) -> RunRow:
    result = run.result
    parameters = result.parameters if result else {}
    row: RunRow = {"folder": format_path(run.folder, base), "status": run.status}
    row |= {axis: getattr(run.cell, axis) if run.cell else None for axis in _AXES}
    tuned = tuned_values_of(run)
    row |= {
        "tuned": None if tuned is None else bool(tuned.values),
        "tuned_values": None if tuned is None else describe_values(tuned.values),
        "tuned_chosen": None if tuned is None else tuned.chosen,
        "overrides": " ".join(run.overrides),
    }
    row |= {
        "protocol": score.column.protocol if score else None,
        "split": score.column.split if score else None,
        "seen": score.column.seen if score else None,
        "selection": score.selection if score else None,
        "miou_pct": score.miou_pct if score else None,
        "classes_in_mean": _number_in_mean(score),
        "classes_scored": len(score.iou_pct) if score and score.iou_pct else None,
        "absent_classes": result.protocol.absent_classes if result else None,
        **_interval(score),
        "aacc_pct": result.aacc_pct if result else None,
        "macc_pct": result.macc_pct if result else None,
        **{name: gains.get(name) for name in ("over_source_only", "gap_closed_pct", "over_frozen")},
    }
    row |= {f"miou_pct.{name}": score.by_selection.get(name) if score else None for name in SELECTIONS}
    selections = result.selections if result else {}
    row |= {f"iter.{name}": None for name in SELECTIONS}
    row |= {f"iter.{name}": checkpoint.iter for name, checkpoint in selections.items() if checkpoint is not None}
    row |= {
        "adapter_parameters": count_adapter_parameters(parameters),
        **{f"parameters.{name}": parameters.get(name) for name in ("trainable", "head", "backbone", "total")},
        "pack_bytes": pack_bytes(run),
        "iters": result.iters if result else None,
        "train_s": result.train_s if result else None,
        "iter_s_median": result.iter_s_median if result else None,
        "memory_mib_peak": result.memory_mib_peak if result else None,
        "commit": format_revision(run),
        "rs_adapt": run.environment.rs_adapt,
        "device": run.environment.device,
        "finished": result.finished if result else None,
        "command": run.command,
        "error": "" if result is not None else describe_failure(run),
        "log": str(run.log or ""),
    }
    row |= {f"iou_pct.{name}": value for name, value in (score.iou_pct if score else {}).items()}
    if score is None or score.measure.name == "miou":
        return row
    # Columns of classification have the names of its scores.
    ours = {"miou_pct": score.measure.key, "iou_pct": score.measure.class_key}
    names = {
        key: ".".join([ours.get(key.partition(".")[0], key.partition(".")[0]), *key.split(".")[1:]]) for key in row
    }
    renamed: RunRow = {names[key]: value for key, value in row.items()}
    return renamed


def _number_in_mean(score: RunScore | None) -> int | None:
    """Return the number of classes that a run's mIoU is the mean of."""
    if score is None or not score.iou_pct:
        return None
    return sum(value is not None for value in score.iou_pct.values())


def _interval(score: RunScore | None) -> dict[str, float | None]:
    """Return the interval of a single run's mIoU, over scenes or images."""
    if score is None or score.per_image is None or score.chosen is None:
        return {"miou_pct.low": None, "miou_pct.high": None}
    chosen = score.chosen
    estimate = bootstrap(
        chosen.counted(units_of(score.per_image).counts_UKK),
        scored=chosen.scored,
        absent=chosen.absent,
        measure=chosen.measure,
    )
    ends = pair(estimate.miou)
    return {"miou_pct.low": ends["low"], "miou_pct.high": ends["high"]}
