"""A report's runs as rows: all numbers of each, one row a run, for CSV and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rs_adapt.reports.cost import pack_bytes, trained_in_backbone
from rs_adapt.reports.run_tables import revision, shown
from rs_adapt.runs.collect import Collection, Run, told_failure
from rs_adapt.runs.read import AXES
from rs_adapt.scores.groups import RunScore, Scores
from rs_adapt.scores.intervals import bootstrap
from rs_adapt.scores.rescore import pair
from rs_adapt.scores.stored import SELECTIONS
from rs_adapt.scores.units import units_of


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
    """The rows with the union of their columns; a value that is not there is empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def _row(run: Run, score: RunScore | None, base: Path, gains: Mapping[str, float | None]) -> dict[str, Any]:
    result = run.result or {}
    parameters = result.get("parameters") or {}
    row: dict[str, Any] = {"folder": shown(run.folder, base), "status": run.status}
    row |= {axis: run.cell.get(axis) for axis in AXES}
    row |= {"tuned": run.cell.get("tuned"), "overrides": " ".join(run.overrides)}
    row |= {
        "protocol": score and score.column.protocol,
        "split": score and score.column.split,
        "seen": score and score.column.seen,
        "selection": score and score.selection,
        "miou_pct": score and score.miou_pct,
        **_interval(score),
        "aacc_pct": result.get("aacc_pct"),
        "macc_pct": result.get("macc_pct"),
        **{name: gains.get(name) for name in ("over_source_only", "gap_closed_pct", "over_frozen")},
    }
    row |= {f"miou_pct.{name}": score and score.by_selection.get(name) for name in SELECTIONS}
    selections = result.get("selections") or {}
    row |= {f"iter.{name}": (selections.get(name) or {}).get("iter") for name in SELECTIONS}
    row |= {
        "adapter_parameters": trained_in_backbone(parameters),
        **{f"parameters.{name}": parameters.get(name) for name in ("trainable", "head", "backbone", "total")},
        "pack_bytes": pack_bytes(run),
        "iters": result.get("iters"),
        "train_s": result.get("train_s"),
        "iter_s_median": result.get("iter_s_median"),
        "memory_mib_peak": result.get("memory_mib_peak"),
        "commit": revision(run),
        "rs_adapt": run.environment.get("rs_adapt"),
        "device": run.environment.get("device"),
        "finished": result.get("finished"),
        "command": run.command,
        "error": "" if run.result is not None else told_failure(run),
        "log": run.log,
    }
    return row | {f"iou_pct.{name}": value for name, value in (score.iou_pct if score else {}).items()}


def _interval(score: RunScore | None) -> dict[str, float | None]:
    """The interval of the run by itself, over scenes or images."""
    if score is None or score.per_image is None or score.chosen is None:
        return {"miou_pct.low": None, "miou_pct.high": None}
    found = bootstrap(units_of(score.per_image).counts_UKK, scored=score.chosen.scored)
    return {f"miou_pct.{side}": value for side, value in pair(found.miou).items()}
