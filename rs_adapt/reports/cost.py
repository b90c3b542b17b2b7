"""The report's section about cost: parameters, pack, time and memory of each group, and score against parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from rs_adapt.render.document import Figure, Section, Table, TableCell, join_words, score_cell, text_cell
from rs_adapt.render.pareto import ParetoPoint, pareto_front, pareto_plot
from rs_adapt.reports.score_tables import Labels, Rankings, group_notes
from rs_adapt.runs.files import TENSORS_FILE
from rs_adapt.runs.run import Run
from rs_adapt.scores.columns import Column
from rs_adapt.scores.groups import Group, score_title


def cost_section(rankings: Rankings, labels: Labels) -> Section:
    """Return parameters, pack size, time and memory of each group, and plots of score against parameters."""
    rows, figures = [], []
    for column, (groups, _) in rankings.items():
        points = []
        for group in groups:
            facts = group_cost(group)
            rows.append(_cost_row(group, facts, labels))
            if facts["adapted"] is not None and group.mean is not None:
                points.append((labels.group_name(group.row), facts["adapted"], group.mean))
        if len(points) > 1:
            figures.append(_pareto_figure(column, labels.bench_name(column), points, score_title(groups)))
    table = Table(
        title="Medians over seeds",
        head=["bench", "method", "adapter parameters", "trained in all", "pack MB", "minutes", "s / iter", "peak MiB"],
        rows=rows,
        name_columns=2,
        notes=[
            "Adapter parameters: trainable parameters in the backbone; trained in all: with the head. Pack: its size "
            "on disk, 10^6 bytes. Minutes: training with evaluations. Peak: GPU memory. A dash: unknown (interrupted "
            f"runs, runs on a CPU). Machines: {join_words(_devices(rankings)) or 'not stated'}; other work on them "
            "may have slowed a run. rs-adapt cost compares methods on equal work.",
            *group_notes(group for groups, _ in rankings.values() for group in groups),
        ],
        for_paper=True,
    )
    return Section(anchor="cost", title="Cost", tables=[table] if rows else [], figures=figures)


def group_cost(group: Group) -> dict[str, float | None]:
    """Return medians over the seeds: `adapted`, `trainable`, `pack_bytes`, `train_s`, `iter_s`, `memory_mib`."""
    results = [score.run.result for score in group.scores if score.run.result is not None]
    parameters = [result.parameters for result in results]
    return {
        "adapted": _median(count_adapter_parameters(counts) for counts in parameters),
        "trainable": _median(counts.get("trainable") for counts in parameters),
        "pack_bytes": _median(pack_bytes(score.run) for score in group.scores),
        "train_s": _median(result.train_s for result in results),
        "iter_s": _median(result.iter_s_median for result in results),
        "memory_mib": _median(result.memory_mib_peak for result in results),
    }


def count_adapter_parameters(parameters: Mapping[str, int]) -> int | None:
    """Return the number of trainable parameters outside the head; None if it was not recorded."""
    trainable, head = parameters.get("trainable"), parameters.get("head")
    return None if trainable is None or head is None else trainable - head


def pack_bytes(run: Run) -> int | None:
    """Return the size of the adapter pack in bytes; None if the pack is missing."""
    file = run.folder / TENSORS_FILE
    return file.stat().st_size if file.is_file() else None


def _cost_row(group: Group, facts: Mapping[str, float | None], labels: Labels) -> list[TableCell]:
    pack, train_s = facts["pack_bytes"], facts["train_s"]
    counts = (facts["adapted"], facts["trainable"])
    return [
        text_cell(labels.bench_name(group.column)),
        text_cell(labels.group_name(group.row)),
        *(
            text_cell("") if count is None else TableCell(text=f"{count:,.0f}".replace(",", " "), value=count)
            for count in counts
        ),
        score_cell(pack and pack / 1e6, digits=2),
        score_cell(train_s and train_s / 60),
        score_cell(facts["iter_s"], digits=3),
        score_cell(facts["memory_mib"], digits=0),
    ]


def _pareto_figure(column: Column, bench: str, points: Sequence[tuple[str, float, float]], title: str) -> Figure:
    """Return the plot of mIoU against adapter parameters for (name, parameters, mIoU) of the groups of a column."""
    front = set(pareto_front({name: (parameters, -miou) for name, parameters, miou in points}))
    alt = f"{title} against trained parameters on {column.name}: " + "; ".join(
        f"{name} {miou:.1f} with {parameters:.0f}" for name, parameters, miou in points
    )
    return Figure(
        alt=alt,
        caption=f"{bench}, {column.protocol}. Filled and joined: no other method has "
        "fewer parameters and a higher mean.",
        svg=pareto_plot(
            [ParetoPoint(name=name, x=parameters, y=miou, on_front=name in front) for name, parameters, miou in points],
            x_label="adapter parameters",
            y_label=f"{title}, %",
            alt=alt,
        ),
    )


def _devices(rankings: Rankings) -> list[str]:
    runs = [score.run for groups, _ in rankings.values() for group in groups for score in group.scores]
    return sorted({run.environment.device for run in runs if run.environment.device})


def _median(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return median(numbers) if numbers else None
