"""`rs-adapt report`: all runs below some folders as an HTML page, Markdown, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rs_adapt import __version__
from rs_adapt.audit.verify.published import published_rows
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import ConfigError, OutputExists, UnknownName
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.render.document import Section
from rs_adapt.render.html import render_html
from rs_adapt.render.text import render_latex, render_markdown
from rs_adapt.reports.calibration import calibration_section, reliability_section
from rs_adapt.reports.content import GroupContent, ReportContent
from rs_adapt.reports.cost import cost_section
from rs_adapt.reports.csv import RunRow, render_csv, run_rows
from rs_adapt.reports.gain_tables import gain_json, gains_of_runs, gains_section
from rs_adapt.reports.panels import panels_section
from rs_adapt.reports.published import check_against, published_section
from rs_adapt.reports.remarks import changed_data_lines, note_lines
from rs_adapt.reports.run_tables import evaluations_section, failures_section, runs_section, summary_section
from rs_adapt.reports.score_tables import (
    Labels,
    Rankings,
    classes_section,
    matrix_section,
    rank_columns,
    selections_section,
)
from rs_adapt.reports.training import confusion_section, curves_section, health_section
from rs_adapt.reports.transfer_tables import transfer_content, transfer_section
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.collect import collect
from rs_adapt.runs.identity import hash_identity
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.current import current_run
from rs_adapt.scores.gains import Gains, gains_of
from rs_adapt.scores.groups import score_runs
from rs_adapt.scores.measures import rename_keys
from rs_adapt.scores.rounding import plain
from rs_adapt.scores.transfer import summarize_transfer
from rs_adapt.scores.tuning import tuned_values_of

FILES = ("index.html", "report.md", "report.tex", "results.csv")
_GENERATOR = "rs-adapt report"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report before it is written.

    Attributes:
        title: Title of the page.
        lead: Lines below the title.
        sections: Sections of the page.
        rows: All numbers of each run, one row for each.
        content: The report as JSON.
        files: The written files; empty before.
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    rows: Sequence[RunRow]
    content: ReportContent
    files: tuple[Path, ...] = ()


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
    """Read all runs below some folders and make their report, without writing it.

    Args:
        places: Run folders, or folders above them.
        title: Title of the page; "" for one that names the folders.
        selection: The checkpoint to score of every run; None for each run's headline.
        classes: Classes in the mean, as for `class_set`; None for those of each run's protocol.
        against: "paper" adds published numbers next to ours; None adds none.
        panels: Number of tiles of each bench to draw with the stored packs; with 0 no model is loaded.
        device: "auto", "cpu", "cuda" or "cuda:N", for the models that draw panels.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        ConfigError: No run is below the folders, or an option has a value that is not allowed.
    """
    check_against(against)
    if selection is not None and normalize(selection) not in SELECTIONS:
        raise UnknownName(unknown_name_message("selection", selection, SELECTIONS))
    published = None if against is None else published_rows()
    collection = collect(places)
    # Rows beside their members.
    collection = replace(collection, runs=(*collection.runs, *collection.means))
    scores = score_runs(collection.finished, selection=selection and normalize(selection), classes=classes)
    # Runs of older versions under the present rule for classes without true pixels.
    collection = replace(collection, runs=tuple(current_run(run) for run in collection.runs))
    labels = Labels(scores.groups)
    rankings = rank_columns(scores.groups)
    gains = gains_of(scores.groups)
    transfer = summarize_transfer(scores.groups, gains)
    base = places[0]
    finished = collection.finished
    remarks = [*note_lines(finished), *changed_data_lines(finished), *collection.remarks, *scores.remarks]
    damaged = [*collection.damaged, *scores.damaged]
    sections = [
        failures_section(collection, damaged, base),
        summary_section(collection, scores.groups, labels, remarks),
    ]
    if scores.groups:
        sections += [
            matrix_section(rankings, labels),
            transfer_section(transfer, labels),
            gains_section(scores.groups, gains, labels),
            selections_section(scores.groups, labels),
            classes_section(rankings, labels),
            published_section(scores.groups, labels, published) if published is not None else None,
            cost_section(rankings, labels),
            curves_section(scores.groups, labels),
            health_section(scores.groups, labels),
            confusion_section(scores.groups, labels),
            reliability_section(finished),
            calibration_section(finished),
            panels_section(rankings, labels, count=panels, device=device, on_progress=on_progress),
        ]
    sections += [evaluations_section(collection, base), runs_section(collection, base)]
    rows = run_rows(collection, scores, base, gains_of_runs(scores.groups, gains))
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Report(
        title=title or f"Results in {', '.join(place.resolve().name for place in places)}",
        lead=[f"Made {now} by rs-adapt {__version__} from {', '.join(map(str, places))}."],
        sections=[section for section in sections if section is not None],
        rows=rows,
        content={
            "places": [str(place) for place in places],
            "runs": rows,
            "groups": _groups(rankings, gains),
            "transfer": transfer_content(transfer),
            "damaged": [{"place": str(damage.place), "why": damage.why} for damage in damaged],
            "remarks": remarks,
        },
    )


def check_out(out: Path, *, overwrite: bool) -> None:
    """Check that a report may be written to a folder: it is new, empty, or contains only an older report.

    Args:
        out: The folder.
        overwrite: Whether it may contain other files, which stay.

    Raises:
        OutputExists: The folder contains other files, and `overwrite` is not set; or it is the folder of a run, or
            has one inside.
        ConfigError: The path is a file.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file. Choose a folder with --out.")
    if not overwrite and out.exists() and any(out.iterdir()) and not _is_report(out):
        raise OutputExists(
            f"{out} contains files that are not a report of rs-adapt. Choose a different folder with --out, or add "
            "--overwrite to write the report beside them."
        )
    refuse_output_in_run(out)


def write_report(report: Report, out: Path, *, overwrite: bool = False) -> list[Path]:
    """Write all four files, complete or not at all; an older report in the folder is replaced.

    Args:
        report: The report.
        out: Folder for the files.
        overwrite: Whether the folder may contain other files, which stay.

    Returns:
        Paths of the files.

    Raises:
        OutputExists: The folder contains other files, and `overwrite` is not set.
        ConfigError: The folder cannot be written to.
    """
    from rs_adapt.files import write_folder_atomically

    check_out(out, overwrite=overwrite)

    def fill(folder: Path) -> None:
        texts = {
            "index.html": render_html(report.title, report.lead, report.sections, generator=_GENERATOR),
            "report.md": render_markdown(report.title, report.lead, report.sections, page="index.html"),
            "report.tex": render_latex(report.title, report.sections),
            "results.csv": render_csv(report.rows),
        }
        for name in FILES:
            (folder / name).write_text(texts[name], encoding="utf-8")

    return write_folder_atomically(out, fill, overwrite=True, own=FILES)


def _is_report(folder: Path) -> bool:
    if {path.name for path in folder.iterdir()} - set(FILES):
        return False
    try:
        return _GENERATOR in (folder / "index.html").read_text(encoding="utf-8")[:2000]
    except (OSError, ValueError):
        return False


def _groups(rankings: Rankings, gains: Sequence[Gains]) -> list[GroupContent]:
    content: list[GroupContent] = []
    gain_of_group = iter(gains)
    for column, (groups, ranking) in rankings.items():
        for position, (group, interval) in enumerate(zip(groups, ranking.miou, strict=True)):
            row = group.row
            gain, tuned = next(gain_of_group), tuned_values_of(group.scores[0].run)
            facts: GroupContent = {
                "bench": column.bench,
                "setting": column.setting,
                "method": row.method,
                "strategy": row.strategy,
                "backbone": row.backbone,
                "head": row.head,
                "tuned": row.tuned,
                "tuned_values": {} if tuned is None else tuned.values,
                "tuned_chosen": None if tuned is None else tuned.chosen,
                "identity": hash_identity(group.identity),
                "differs": row.variant,
                "overrides": list(row.overrides),
                "protocol": column.protocol,
                "split": column.split,
                "seen": column.seen,
                "seeds": [score.run.seed for score in group.scores],
                "miou_pct": {
                    "mean": None if group.mean is None else plain(group.mean),
                    "lowest": min(group.values, default=None),
                    "highest": max(group.values, default=None),
                    "low": None if interval is None else plain(interval.low),
                    "high": None if interval is None else plain(interval.high),
                },
                "over_source_only": gain_json(gain.over_source_only),
                "gap_closed_pct": gain_json(gain.gap_closed),
                "over_frozen": gain_json(gain.over_frozen),
                "best": position == ranking.best,
            }
            content.append(rename_keys(facts, group.scores[0].measure))
    return content
