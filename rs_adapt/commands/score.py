"""`rs-adapt score`: scores and intervals of other classes, groups or protocols, from stored confusion matrices."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console


class GroupBy(StrEnum):
    """A property by which images are grouped."""

    IMAGE = "image"
    SCENE = "scene"
    CITY = "city"


def score(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Run folder, folder that `eval` wrote, or .npz file.", show_default=False),
    ],
    classes: options.Classes = None,
    ignore: options.Ignore = None,
    group_by: Annotated[
        GroupBy | None, typer.Option("--group-by", help="Also print a table by image, scene or city.")
    ] = None,
    selection: options.Selection = None,
    protocol: options.Protocol = None,
    unit: options.Unit = options.UnitName.AUTO,
    worst: Annotated[int, typer.Option("--worst", help="Number of images to list, lowest mIoU first.", min=0)] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Rescore a finished run from its stored confusion matrices: other classes, groups, protocols.

    $ rs-adapt score RUN --classes no-clutter

    $ rs-adapt score RUN --ignore background --group-by city --worst 10

    $ rs-adapt score RUN --selection best-source-val --json
    """
    from rs_adapt.api.reading import score as score_run

    scores = score_run(
        run,
        classes=classes,
        ignore=ignore,
        selection=selection,
        protocol=protocol,
        unit=unit.value,
        group_by=None if group_by is None else group_by.value,
        worst=worst,
    )
    if as_json:
        print_json(scores.to_json())
        return
    from rs_adapt.reports.comparison_tables import (
        classes_table,
        count_line,
        groups_table,
        notes,
        scoring_line,
        worst_table,
    )

    console = result_console()
    console.print(f"{run}", style="bold", soft_wrap=True)
    console.print(classes_table(scores))
    if scores.groups is not None:
        console.print(groups_table(scores.groups, scores.group_by, score_title=scores.measure.title))
    if scores.worst is not None:
        console.print(worst_table(scores.worst, score_title=scores.measure.title))
    counts = count_line(scores.images, scores.interval)
    lines = [f"Scored: {scoring_line(scores.scored)}.", *(f"Note: {note}" for note in scores.notes), counts]
    lines += [*notes(scores.interval), *(f"Contradiction: {text}" for text in scores.contradictions)]
    for line in lines:
        console.print(line, soft_wrap=True)
