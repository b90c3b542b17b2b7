"""A report's runs as rows: all numbers of each, one row a run, for CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rs_adapt.reports.cost import pack_bytes, trained_in_backbone
from rs_adapt.reports.run_tables import revision, shown
from rs_adapt.runs.collect import Collection, describe_failure
from rs_adapt.runs.records import CellNames
from rs_adapt.runs.run import Run
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.groups import RunScore, Scores
from rs_adapt.scores.intervals import bootstrap
from rs_adapt.scores.rescore import pair
from rs_adapt.scores.units import units_of

# `tuned` and the protocol have columns of their own.
_AXES = tuple(name for name in CellNames.model_fields if name not in ("tuned", "protocol"))


def run_rows(
    collection: Collection, scores: Scores, base: Path, gains: Mapping[Path, Mapping[str, float | None]]
) -> list[dict[str, Any]]:
    """Return a row for each run, finished or not; None where there is no value.

    Args:
        collection: All runs.
        scores: The scores of the finished ones.
        base: Folder that the rows' folders are relative to.
        gains: Gains over references by run folder, from `gains_of_runs`.
    """
    by_folder = {one.run.folder: one for one in scores.all_runs}
    return [_row(run, by_folder.get(run.folder), base, gains.get(run.folder, {})) for run in collection.runs]


def render_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows with the union of their columns; a value that is not there is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def _row(run: Run, score: RunScore | None, base: Path, gains: Mapping[str, float | None]) -> dict[str, Any]:
    result = run.result
    parameters = result.parameters if result else {}
    row: dict[str, Any] = {"folder": shown(run.folder, base), "status": run.status}
    row |= {axis: run.cell and getattr(run.cell, axis) for axis in _AXES}
    row |= {"tuned": run.cell and run.cell.tuned, "overrides": " ".join(run.overrides)}
    row |= {
        "protocol": score and score.column.protocol,
        "split": score and score.column.split,
        "seen": score and score.column.seen,
        "selection": score and score.selection,
        "miou_pct": score and score.miou_pct,
        **_interval(score),
        "aacc_pct": result and result.aacc_pct,
        "macc_pct": result and result.macc_pct,
        **{name: gains.get(name) for name in ("over_source_only", "gap_closed_pct", "over_frozen")},
    }
    row |= {f"miou_pct.{name}": score and score.by_selection.get(name) for name in SELECTIONS}
    selections = result.selections if result else {}
    row |= {f"iter.{name}": None for name in SELECTIONS}
    row |= {f"iter.{name}": checkpoint.iter for name, checkpoint in selections.items() if checkpoint is not None}
    row |= {
        "adapter_parameters": trained_in_backbone(parameters),
        **{f"parameters.{name}": parameters.get(name) for name in ("trainable", "head", "backbone", "total")},
        "pack_bytes": pack_bytes(run),
        "iters": result and result.iters,
        "train_s": result and result.train_s,
        "iter_s_median": result and result.iter_s_median,
        "memory_mib_peak": result and result.memory_mib_peak,
        "commit": revision(run),
        "rs_adapt": run.environment.rs_adapt,
        "device": run.environment.device,
        "finished": result and result.finished,
        "command": run.command,
        "error": "" if result is not None else describe_failure(run),
        "log": str(run.log or ""),
    }
    return row | {f"iou_pct.{name}": value for name, value in (score.iou_pct if score else {}).items()}


def _interval(score: RunScore | None) -> dict[str, float | None]:
    """Return the interval of the run by itself, over scenes or images."""
    if score is None or score.per_image is None or score.chosen is None:
        return {"miou_pct.low": None, "miou_pct.high": None}
    found = bootstrap(units_of(score.per_image).counts_UKK, scored=score.chosen.scored)
    return {f"miou_pct.{side}": value for side, value in pair(found.miou).items()}
