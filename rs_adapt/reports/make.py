"""`rs-adapt report`: all runs below some folders as page, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rs_adapt import __version__
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import ConfigError, OutputExists, UnknownName
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.render.document import Part
from rs_adapt.render.html import GENERATOR, render_html
from rs_adapt.render.text import render_latex, render_markdown
from rs_adapt.reports.cost import cost_part
from rs_adapt.reports.csv import render_csv, run_rows
from rs_adapt.reports.panels import panels_part
from rs_adapt.reports.published import check_against, published_part, published_rows
from rs_adapt.reports.run_tables import failures_part, runs_part, summary_part
from rs_adapt.reports.score_tables import Labels, Rankings, classes_part, matrix_part, rank_columns, selections_part
from rs_adapt.reports.training import confusion_part, curves_part, health_part
from rs_adapt.runs.collect import collect
from rs_adapt.scores.groups import score_runs
from rs_adapt.scores.rescore import plain
from rs_adapt.scores.stored import SELECTIONS

FILES = ("index.html", "report.md", "report.tex", "results.csv")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report before it is written.

    Attributes:
        title: of the page.
        lead: lines below it.
        parts: its sections.
        rows: one for each run, all numbers.
        content: groups and counts as JSON.
    """

    title: str
    lead: Sequence[str]
    parts: Sequence[Part]
    rows: Sequence[dict[str, Any]]
    content: dict[str, Any]


def make_report(
    places: Sequence[Path],
    *,
    title: str = "",
    selection: str | None = None,
    classes: str | None = None,
    against: str | None = None,
    panels: int = 0,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Report:
    """Read all runs below the folders and put the report together; writes nothing.

    Args:
        places: Run folders, or folders above them.
        title: Of the page; "" names the folders.
        selection: Which checkpoint of every run; None is each run's headline.
        classes: Words of `class_set`; None is those of each run's protocol.
        against: "paper" sets published numbers beside ours.
        panels: Tiles of a bench to draw with the stored packs; 0 loads no model.
        device: Where the models run.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        ConfigError: There is no run, or an option cannot be used.
    """
    check_against(against)
    if selection is not None and normalize(selection) not in SELECTIONS:
        raise UnknownName(unknown_name_message("selection", selection, SELECTIONS))
    published = None if against is None else published_rows()
    collection = collect(places)
    scores = score_runs(collection.finished, selection=selection and normalize(selection), classes=classes)
    labels = Labels(scores.groups)
    rankings = rank_columns(scores.groups)
    base = places[0]
    remarks = [*collection.remarks, *scores.remarks]
    parts = [
        failures_part(collection, [*collection.damaged, *scores.damaged], base),
        summary_part(collection, scores.groups, labels, remarks),
    ]
    if scores.groups:
        parts += [
            matrix_part(rankings, labels),
            selections_part(scores.groups, labels),
            classes_part(rankings, labels),
            published_part(scores.groups, labels, published) if published is not None else None,
            cost_part(rankings, labels),
            curves_part(scores.groups, labels),
            health_part(scores.groups, labels),
            confusion_part(scores.groups, labels),
            panels_part(rankings, labels, count=panels, device=device, on_progress=on_progress),
        ]
    parts.append(runs_part(collection, base))
    rows = run_rows(collection, scores, base)
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Report(
        title=title or f"Results in {', '.join(place.resolve().name for place in places)}",
        lead=[f"Made {made} by rs-adapt {__version__} from {', '.join(map(str, places))}."],
        parts=[part for part in parts if part is not None],
        rows=rows,
        content={
            "places": [str(place) for place in places],
            "runs": rows,
            "groups": _groups(rankings),
            "damaged": [{"place": str(one.place), "why": one.why} for one in (*collection.damaged, *scores.damaged)],
            "remarks": remarks,
        },
    )


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else than an older report.

    Raises:
        OutputExists: See above; `overwrite` allows it.
        ConfigError: It is a file.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file. Choose a folder with --out.")
    if overwrite or not out.exists() or not any(out.iterdir()) or _is_report(out):
        return
    raise OutputExists(
        f"{out} holds something else than a report of rs-adapt. Choose another folder with --out, or add --overwrite "
        "to delete what is in it."
    )


def write_report(report: Report, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Write all four files, complete or not at all; an older report in the folder is replaced.

    Returns:
        The files.

    Raises:
        OutputExists: The folder holds something else.
        ConfigError: The place cannot be written to.
    """
    from rs_adapt.files import write_folder_atomically

    check_out(out, overwrite=overwrite)

    def fill(folder: Path) -> None:
        texts = {
            "index.html": render_html(report.title, report.lead, report.parts),
            "report.md": render_markdown(report.title, report.lead, report.parts),
            "report.tex": render_latex(report.title, report.parts),
            "results.csv": render_csv(report.rows),
        }
        for name in FILES:
            (folder / name).write_text(texts[name], encoding="utf-8")

    return write_folder_atomically(out, fill, overwrite=True)


def _is_report(folder: Path) -> bool:
    if {path.name for path in folder.iterdir()} - set(FILES):
        return False
    try:
        return GENERATOR in (folder / "index.html").read_text(encoding="utf-8")[:2000]
    except (OSError, ValueError):
        return False


def _groups(rankings: Rankings) -> list[dict[str, Any]]:
    found = []
    for column, (groups, ranking) in rankings.items():
        for position, (group, interval) in enumerate(zip(groups, ranking.miou, strict=True)):
            row = group.row
            found.append(
                {
                    "bench": column.bench,
                    "setting": column.setting,
                    "method": row.method,
                    "strategy": row.strategy,
                    "backbone": row.backbone,
                    "head": row.head,
                    "tuned": row.tuned,
                    "overrides": list(row.overrides),
                    "protocol": column.protocol,
                    "split": column.split,
                    "seen": column.seen,
                    "seeds": [score.run.cell["seed"] for score in group.scores],
                    "miou_pct": {
                        "mean": None if group.mean is None else plain(group.mean),
                        "lowest": min(group.values, default=None),
                        "highest": max(group.values, default=None),
                        "low": None if interval is None else plain(interval.low),
                        "high": None if interval is None else plain(interval.high),
                    },
                    "best": position == ranking.best,
                }
            )
    return found
