"""The report's sections about calibration: errors and diagrams of all runs, temperatures of calibrated packs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rs_adapt.render.document import Figure, LegendEntry, Section, Table, TableCell, text_cell
from rs_adapt.render.svg import Series, line_plot
from rs_adapt.runs.records import Calibration, ConfidenceBin, Reliability
from rs_adapt.runs.run import Run

_NOTE = (
    "Fitted on validation tiles of the source by `rs-adapt calibrate`. On a different region probabilities are usually "
    "too high."
)
_MEASURED_NOTE = (
    "The error is the mean distance of confidence and accuracy over all labelled pixels, in 15 bins of confidence "
    "(expected calibration error). Mean confidence above accuracy is overconfidence."
)
_MOST_DIAGRAMS = 12


def reliability_section(runs: Sequence[Run]) -> Section | None:
    """Return the calibration errors that the runs measured at their end; None where none did."""
    rows: list[list[TableCell]] = []
    by_name: dict[str, dict[str, list[Sequence[ConfidenceBin]]]] = {}
    for run in runs:
        for measured in () if run.result is None else run.result.reliability.values():
            pixels, right, confidence = _sums(measured.bins)
            if pixels <= 0:
                continue
            rows.append(
                [
                    text_cell(_name(run)),
                    text_cell(measured.split),
                    _percent_cell(measured.ece_pct),
                    _percent_cell(100 * confidence / pixels),
                    _percent_cell(100 * right / pixels),
                    TableCell(text=str(measured.tiles), value=measured.tiles),
                ]
            )
            by_name.setdefault(_name(run, seed=False), {}).setdefault(measured.split, []).append(measured.bins)
    if not rows:
        return None
    figures = [_diagram(name, by_split) for name, by_split in list(by_name.items())[:_MOST_DIAGRAMS]]
    left_out = len(by_name) - _MOST_DIAGRAMS
    notes = [_MEASURED_NOTE, *([f"Diagrams of {left_out} further rows are left out."] if left_out > 0 else [])]
    head = ["run", "measured on", "ECE %", "confidence %", "accuracy %", "tiles"]
    table = Table(title="", head=head, rows=rows, name_columns=2, notes=notes)
    return Section(
        title="Reliability",
        text=["Of each run's own result, before any calibration. Diagrams add up the pixels of all seeds."],
        figures=[figure for figure in figures if figure is not None],
        figure_width="medium",
        tables=[table],
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
    return _plot(f"reliability, {name}", series)


def _diagram(name: str, by_split: dict[str, list[Sequence[ConfidenceBin]]]) -> Figure | None:
    series = [Series(name="perfect", points=[(0.0, 0.0), (100.0, 100.0)], colour=2, dashed=True)]
    for colour, (split, of_seeds) in enumerate(by_split.items()):
        sums = [_sums(bins) for bins in zip(*of_seeds, strict=False)]
        points = [(100 * sure / pixels, 100 * right / pixels) for pixels, right, sure in sums if pixels > 0]
        series.append(Series(name=split, points=points, colour=colour if colour < 2 else colour + 1))
    return _plot(f"reliability, {name}", series)


def _plot(title: str, series: Sequence[Series]) -> Figure | None:
    svg = line_plot(series, x_label="confidence, %", y_label="accuracy, %", alt=title, y_range=(0, 100))
    legend = [LegendEntry(label=one.name, colour=one.colour) for one in series]
    return Figure(alt=title, caption=title, svg=svg, legend=legend) if svg else None


def _sums(bins: Iterable[ConfidenceBin]) -> tuple[int, int, float]:
    """Return pixels, right pixels and the sum of confidences over bins."""
    listed = list(bins)
    return (
        sum(each.pixels for each in listed),
        sum(each.right for each in listed),
        sum(each.confidence for each in listed),
    )


def _percent_cell(value: float) -> TableCell:
    return TableCell(text=f"{value:.2f}", value=value)


def _points(reliability: Reliability) -> list[tuple[float, float]]:
    return [
        (bin.confidence_pct, bin.accuracy_pct)
        for bin in reliability.bins
        if bin.confidence_pct is not None and bin.accuracy_pct is not None
    ]


def _name(run: Run, *, seed: bool = True) -> str:
    cell = run.cell
    if cell is None:
        return run.folder.name
    parts = [cell.bench, cell.strategy, cell.method, cell.backbone, *([f"seed {cell.seed}"] if seed else [])]
    return " / ".join(parts).replace("_", "-")
