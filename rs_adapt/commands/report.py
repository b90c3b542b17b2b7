"""`rs-adapt report`: all runs below some folders as one page, Markdown, CSV and LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options


def report(
    work_dirs: Annotated[
        list[Path],
        typer.Argument(metavar="WORK_DIR...", help="Run folders, or folders above them.", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write to (default: WORK_DIR/report).")] = None,
    against: Annotated[
        str | None, typer.Option("--against", help="'paper' sets published numbers beside ours.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="Title of the page.", show_default=False)] = "",
    selection: options.Selection = None,
    classes: options.Classes = None,
    panels: Annotated[
        int, typer.Option("--panels", help="Tiles of each bench to draw with the stored models.", min=0)
    ] = 0,
    device: options.Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete what else is in the folder.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Write one page about many runs: scores, classes, curves, cost, failures.

    Writes index.html (whole in itself), report.md, report.tex and results.csv; a report that is there is replaced.

    $ rs-adapt report work_dirs

    $ rs-adapt report work_dirs/loveda --out table --against paper --panels 3
    """
    from rs_adapt.commands.console import error_console, preparing, result_console, shown_path
    from rs_adapt.reports.make import check_out, make_report, write_report

    folder = out or work_dirs[0] / "report"
    check_out(folder, overwrite=overwrite)
    with preparing(error_console()) as on_progress:
        made = make_report(
            work_dirs,
            title=title,
            selection=selection,
            classes=classes,
            against=against,
            panels=panels,
            device=device,
            on_progress=on_progress,
        )
    files = write_report(made, folder, overwrite=overwrite)
    if as_json:
        import json

        print(json.dumps(made.content | {"files": [str(file) for file in files]}, indent=2, allow_nan=False))
        return
    from rs_adapt.reports.screen import matrix_tables, summary_lines

    console = result_console()
    for table in matrix_tables(made):
        console.print(table)
    for line in summary_lines(made):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"Page: {shown_path(folder / 'index.html')}", soft_wrap=True, markup=False)
