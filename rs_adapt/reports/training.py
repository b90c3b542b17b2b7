"""The report's sections about training: learning curves, health of pseudo-labels, confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from rs_adapt.render.document import Figure, LegendEntry, Section, Table, TableCell, score_cell, text_cell
from rs_adapt.render.svg import Series, line_plot
from rs_adapt.reports.health_plot import find_alarm_spans
from rs_adapt.reports.score_tables import Labels
from rs_adapt.runs.records import Health
from rs_adapt.runs.run import Run
from rs_adapt.scores.groups import Group, confusion_of, score_title


def curves_section(groups: Sequence[Group], labels: Labels) -> Section:
    """Return the loss and the mIoU on validation tiles of target and source as curves for each group."""
    sections: list[Section] = []
    for number, group in enumerate(groups):
        name = labels.name(group)
        runs = [score.run for score in group.scores]
        key, title = group.scores[0].measure.key, score_title([group])
        loss = [Series(name=_seed(run), points=_points(run, "loss"), colour=k) for k, run in enumerate(runs)]
        target = [Series(name=_seed(run), points=_points(run, key), colour=k) for k, run in enumerate(runs)]
        source = [
            Series(name=_seed(run), points=_points(run, "source_val", "miou_pct"), colour=k, dashed=True)
            for k, run in enumerate(runs)
        ]
        seeds = [LegendEntry(label=_seed(run), colour=k) for k, run in enumerate(runs)]
        legend = [
            *seeds,
            *([LegendEntry(label="dashed: source val")] if any(series.points for series in source) else []),
        ]
        figures = [
            _figure(loss, f"training loss of {name}", "loss", seeds),
            _figure([*target, *source], f"validation {title} of {name}", f"{title} on val, %", legend),
        ]
        if plotted := [figure for figure in figures if figure is not None]:
            sections.append(Section(anchor=f"curves-{number}", title=name, figures=plotted, folded=bool(sections)))
    return Section(
        anchor="curves",
        title="Learning curves",
        text=[
            f"Loss, and {score_title(groups)} at each evaluation on the validation tiles of the target (solid) and of "
            "the source (dashed). The target's labels are read for these curves only."
        ],
        sections=sections,
    )


def health_section(groups: Sequence[Group], labels: Labels) -> Section | None:
    """Return confidence, agreement and class shares of the teachers; None without runs with pseudo-labels."""
    rows: list[list[TableCell]] = []
    sections: list[Section] = []
    for number, group in enumerate(groups):
        runs = [score.run for score in group.scores if _health(score.run)]
        if not runs:
            continue
        figures = []
        for run in runs:
            rows.append(_health_row(group, run, labels))
            figures.append(_shares(run))
        means = [
            Series(name=f"{key}, {_seed(run)}", points=_points(run, "health", key, times=100), colour=k, dashed=dash)
            for k, run in enumerate(runs)
            for key, dash in (("confidence", False), ("agreement", True))
        ]
        legend = [LegendEntry(label=_seed(run), colour=k) for k, run in enumerate(runs)]
        legend.append(LegendEntry(label="dashed: agreement"))
        figures.insert(0, _figure(means, "confidence and agreement", "mean over target pixels, %", legend, (0, 100)))
        plotted = [figure for figure in figures if figure is not None]
        sections.append(
            Section(anchor=f"health-{number}", title=labels.name(group), figures=plotted, folded=bool(sections))
        )
    if not rows:
        return None
    table = Table(
        title="At the end of training",
        head=["bench", "method", "seed", "confidence %", "agreement %", "weight %", "class that shrank most", "alarms"],
        rows=rows,
        name_columns=2,
        notes=[
            "Means over the last fifth of the training lines. Weight: of a pixel with a pseudo-label in the loss; runs "
            "of older versions do not have it. Class that shrank most: its share "
            "in the teacher's labels of the target is the smallest fraction of its share in the source's labels (the "
            "target may really have less of it). Alarms: number of training lines with an alarm, and the last alarm."
        ],
    )
    return Section(
        anchor="health",
        title="Pseudo-labels",
        text=["For adaptation runs: the labels that the averaged teacher gives the target images."],
        tables=[table],
        sections=sections,
    )


def confusion_section(groups: Sequence[Group], labels: Labels) -> Section:
    """Return the confusion matrix of each group, in percent of the true pixels of each class."""
    sections: list[Section] = []
    for number, group in enumerate(groups):
        if (confusion := confusion_of(group)) is None:
            continue
        matrix_KK, names = confusion
        pixels_K = matrix_KK.sum(axis=1)
        rows = [
            [
                text_cell(name),
                *(_share(count, pixels_K[k]) for count in matrix_KK[k]),
                TableCell(text=f"{100 * pixels_K[k] / max(pixels_K.sum(), 1):.1f}", value=float(pixels_K[k])),
            ]
            for k, name in enumerate(names)
        ]
        over = f", summed over {len(group.scores)} seeds" if len(group.scores) > 1 else ""
        table = Table(
            title="",
            head=["truth \\ prediction", *names, "% of all pixels"],
            rows=rows,
            notes=[f"% of the true pixels of each row's class{over}."],
            sortable=False,
        )
        sections.append(
            Section(anchor=f"confusion-{number}", title=labels.name(group), tables=[table], folded=bool(sections))
        )
    return Section(
        anchor="confusion",
        title="Confusion matrices",
        text=["Each row sums to 100 %: the predictions for the pixels of a true class."],
        sections=sections,
    )


def _health_row(group: Group, run: Run, labels: Labels) -> list[TableCell]:
    lines, seed = _health(run), run.seed
    late = lines[-max(1, len(lines) // 5) :]
    alarms = [line.alarm for line in lines if line.alarm]
    source, teacher = (_late_shares(late, key) for key in ("source_share", "teacher_share"))
    ratios = {name: teacher.get(name, 0.0) / share for name, share in source.items() if share}
    lost = min(ratios, key=lambda name: ratios[name], default=None)
    shrunk = "" if lost is None else f"{lost} ({100 * teacher.get(lost, 0.0):.1f} %, source {100 * source[lost]:.1f} %)"
    means = []
    for key in ("confidence", "agreement", "weight"):
        # Agreement is measured on some lines only.
        values = [value for line in late if (value := getattr(line, key)) is not None]
        values = values or [value for line in lines if (value := getattr(line, key)) is not None][-1:]
        means.append(100 * mean(values) if values else None)
    return [
        text_cell(labels.bench_name(group.column)),
        text_cell(labels.group_name(group.row)),
        TableCell(text=str(seed), value=seed),
        *(score_cell(value) for value in means),
        text_cell(shrunk),
        TableCell(text=str(len(alarms)), value=len(alarms), note=str(alarms[-1]) if alarms else ""),
    ]


def _health(run: Run) -> list[Health]:
    """Return the health of the pseudo-labels at each training line that has it."""
    return [line.health for line in run.training_lines if line.health is not None]


def _late_shares(lines: Sequence[Health], key: str) -> dict[str, float]:
    """Return the mean share of each class over some lines, from 0 to 1."""
    names = dict.fromkeys(name for line in lines for name in getattr(line, key))
    return {name: mean(getattr(line, key).get(name, 0.0) for line in lines) for name in names}


def _shares(run: Run) -> Figure | None:
    lines = _health(run)
    source = _late_shares(lines, "source_share")
    last_iter = max(float(line.iter) for line in run.metrics)
    series, legend = [], []
    for k, name in enumerate(_late_shares(lines, "teacher_share")):
        level = 100 * source.get(name, 0.0)
        series.append(Series(name=name, points=_points(run, "health", "teacher_share", name, times=100), colour=k))
        series.append(Series(name=name, points=[(0.0, level), (last_iter, level)], colour=k, dashed=True))
        legend.append(LegendEntry(label=name, colour=k))
    spans = find_alarm_spans(run.metrics)
    legend.append(LegendEntry(label="dashed: source"))
    if spans:
        legend.append(LegendEntry(label="shaded: alarm"))
    return _figure(series, f"class shares, {_seed(run)}", "share of pixels, %", legend, None, spans)


def _figure(
    series: Sequence[Series],
    title: str,
    y_label: str,
    legend: Sequence[LegendEntry],
    y_range: tuple[float, float] | None = None,
    spans: Sequence[tuple[float, float]] = (),
) -> Figure | None:
    shares = y_label.startswith("share")
    svg = line_plot(
        series,
        x_label="iteration",
        y_label=y_label,
        alt=title,
        y_range=(0, 100) if shares else y_range,
        spans=spans,
        root_scale=shares,
    )
    return Figure(alt=title, caption=title, svg=svg, legend=legend) if svg else None


def _points(run: Run, *keys: str, times: float = 1.0) -> list[tuple[float, float]]:
    points = []
    for line in run.metrics:
        value: Any = line.content()
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, int | float) and math.isfinite(value):
            points.append((float(line.iter), times * value))
    return points


def _share(count: Any, pixels: Any) -> TableCell:
    # For a class without true pixels, zeros would read as "never recognised".
    return TableCell(text=f"{100 * count / pixels:.0f}", heat=float(count / pixels)) if pixels else text_cell("")


def _seed(run: Run) -> str:
    return f"seed {run.seed}"
