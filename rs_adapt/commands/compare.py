"""`rs-adapt compare`: the difference of two runs over the same images, with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console


def compare(
    run_a: Annotated[
        Path,
        typer.Argument(metavar="RUN_A", help="Run folder, folder that `eval` wrote, or .npz file.", show_default=False),
    ],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run to compare with RUN_A.", show_default=False)],
    classes: options.Classes = None,
    ignore: options.Ignore = None,
    selection: options.Selection = None,
    unit: options.Unit = options.UnitName.AUTO,
    as_json: options.AsJson = False,
) -> None:
    """Compare two runs on the same images: the difference by class, with paired intervals.

    $ rs-adapt compare RUN_A RUN_B

    $ rs-adapt compare RUN_A RUN_B --classes no-clutter --unit image
    """
    from rs_adapt.api.flow import compare_images, holds_images, refuse_images

    if holds_images(run_a) and holds_images(run_b):
        found = compare_images(run_a, run_b)
        if as_json:
            print_json({name: difference.to_json() for name, difference in found.items()})
            return
        from rs_adapt.reports.flow_tables import differences_table

        console = result_console()
        console.print(differences_table(found))
        console.print(f"A: {run_a}\nB: {run_b}\nPaired by image; intervals over snapshots.", soft_wrap=True)
        return
    for run in (run_a, run_b):
        # One of the two alone has scores of images.
        refuse_images(run)
    from rs_adapt.api.reading import compare as compare_runs

    comparison = compare_runs(run_a, run_b, classes=classes, ignore=ignore, selection=selection, unit=unit.value)
    if as_json:
        print_json(comparison.to_json())
        return
    from rs_adapt.reports.comparison_tables import (
        calibration_line,
        changed_data_line,
        count_line,
        differ_line,
        difference_table,
        notes,
        scoring_line,
        settings_lines,
    )

    console = result_console()
    console.print(comparison.sentence, style="bold", soft_wrap=True)
    console.print(difference_table(comparison))
    sides = {"A": comparison.a, "B": comparison.b}
    lines = [f"{name}: {side.place}: {scoring_line(side.scored)}." for name, side in sides.items()]
    lines += [f"Note on {name}: {note}" for name, side in sides.items() for note in side.notes]
    lines += [f"Contradiction in {name}: {text}" for name, side in sides.items() for text in side.contradictions]
    counts = count_line(comparison.images, comparison.interval)
    remarks = (differ_line(comparison), changed_data_line(comparison), calibration_line(comparison))
    lines += [line for line in remarks if line is not None]
    lines += settings_lines(comparison)
    for line in (*lines, counts, *notes(comparison.interval)):
        console.print(line, soft_wrap=True)
