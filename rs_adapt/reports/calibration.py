"""The report's section about calibrated packs: temperatures, calibration errors, reliability diagrams."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.render.document import Figure, LegendEntry, Section, Table, TableCell, text_cell
from rs_adapt.render.svg import Series, line_plot
from rs_adapt.runs.records import Calibration, Reliability
from rs_adapt.runs.run import Run

_NOTE = (
    "Fitted on validation tiles of the source by `rs-adapt calibrate`. On a different region probabilities are usually "
    "too high."
)


def calibration_section(runs: Sequence[Run]) -> Section | None:
    """Return the calibration of each run that has one; None where none has."""
    rows, figures = [], []
    for run in runs:
        calibration = None if run.manifest is None else run.manifest.calibration
        if calibration is None:
            continue
        name = _name(run)
        before, after = calibration.before, calibration.after
        rows.append(
            [
                text_cell(name),
                TableCell(text=f"{calibration.temperature:g}", value=calibration.temperature),
                TableCell(text=f"{before.ece_pct:.2f}", value=before.ece_pct),
                TableCell(text=f"{after.ece_pct:.2f}", value=after.ece_pct),
                text_cell(f"{calibration.split}, {calibration.tiles} tiles"),
            ]
        )
        if (figure := _figure(name, calibration)) is not None:
            figures.append(figure)
    if not rows:
        return None
    head = ["run", "temperature", "ECE % before", "ECE % after", "fitted on"]
    table = Table(title="", head=head, rows=rows, notes=[_NOTE])
    return Section(title="Calibration", figures=figures, figure_width="medium", tables=[table])


def _figure(name: str, calibration: Calibration) -> Figure | None:
    series = [
        Series(name="perfect", points=[(0.0, 0.0), (100.0, 100.0)], colour=2, dashed=True),
        Series(name="before", points=_points(calibration.before), colour=0),
        Series(name="after", points=_points(calibration.after), colour=1),
    ]
    title = f"reliability, {name}"
    svg = line_plot(series, x_label="confidence, %", y_label="accuracy, %", alt=title, y_range=(0, 100))
    legend = [LegendEntry(label=one.name, colour=one.colour) for one in series]
    return Figure(alt=title, caption=title, svg=svg, legend=legend) if svg else None


def _points(reliability: Reliability) -> list[tuple[float, float]]:
    return [
        (bin.confidence_pct, bin.accuracy_pct)
        for bin in reliability.bins
        if bin.confidence_pct is not None and bin.accuracy_pct is not None
    ]


def _name(run: Run) -> str:
    cell = run.cell
    if cell is None:
        return run.folder.name
    return f"{cell.bench} / {cell.strategy} / {cell.method} / {cell.backbone} / seed {cell.seed}".replace("_", "-")
