"""`rs-adapt report`: all runs below some folders as one page, Markdown, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console, shorten_path


def report(
    work_dirs: Annotated[
        list[Path],
        typer.Argument(metavar="WORK_DIR...", help="Run folders, or folders above them.", show_default=False),
    ],
    out: Annotated[Path | None, options.out("report in the first folder")] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="Compare with: paper (the published scores).", metavar="paper")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the page.", show_default=False)] = "",
    selection: options.Selection = None,
    classes: options.Classes = None,
    panels: Annotated[
        int, typer.Option("--panels", help="Tiles per bench to show with the predictions of each model.", min=0)
    ] = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Write one page about many runs: scores, classes, curves, cost, failures.

    Writes index.html (self-contained), report.md, report.tex and results.csv; an existing report is replaced.

    $ rs-adapt report work_dirs

    $ rs-adapt report work_dirs/loveda --out table --against paper --panels 3
    """
    from rs_adapt.api.reading import report as write_report

    written = write_report(
        work_dirs,
        out=out,
        title=title,
        against=against,
        selection=selection,
        classes=classes,
        panels=panels,
        device=device,
        overwrite=overwrite,
    )
    if as_json:
        print_json(written.content | {"files": [str(file) for file in written.files]})
        return
    from rs_adapt.reports.screen import matrix_tables, summary_lines

    console = result_console()
    for table in matrix_tables(written):
        console.print(table)
    for line in summary_lines(written):
        console.print(line, soft_wrap=True)
    console.print(f"Page: {shorten_path(written.files[0])}", soft_wrap=True)
