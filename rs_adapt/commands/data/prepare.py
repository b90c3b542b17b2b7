"""`rs-adapt data prepare`: a data set's originals to the tiles that benches read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.api.progress import error_console, progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import grouped, result_console, shown_path

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rs_adapt.datasets.originals import Plan, Prepared

_COLOURS_SHOWN = 5
INTERRUPTED = 130


def prepare(
    name: Annotated[str, typer.Argument(help="Data set or variant, such as loveda or potsdam-irrg.", metavar="NAME")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--source",
            help="Folder or zip of the originals; zips within are read, too (default: where data fetch puts them).",
        ),
    ] = None,
    data_root: options.DataRoot = None,
    tile_px: Annotated[
        int | None, typer.Option("--tile-px", help="Side of a tile (default: the published).", min=1)
    ] = None,
    stride_px: Annotated[
        int | None,
        typer.Option("--stride-px", help="Step of the grid (default: the published; with --tile-px, the tile).", min=1),
    ] = None,
    jobs: Annotated[int | None, options.jobs("all cores")] = None,
    partial: options.Partial = False,
    dry_run: options.DryRun = False,
) -> None:
    """Cut the originals of a data set into the tiles of its published protocol.

    The same command continues after a kill. A folder that is done is verified, and cut
    again only where it is damaged or was incomplete.

    $ rs-adapt data prepare loveda --data-root data

    $ rs-adapt data prepare potsdam --source Potsdam.zip --dry-run
    """
    from rs_adapt.config import paths
    from rs_adapt.datasets.originals import load_layout, prepare_originals

    errors, results = error_console(), result_console()
    root = paths.data_root(data_root)
    # Where `data fetch` puts archives; those of a variant are with its data set's.
    place = source.expanduser() if source else paths.downloads_dir(load_layout(name).manifest.name)
    try:
        with progress_callback(True) as show:
            prepared = prepare_originals(
                name,
                place,
                root,
                tile_px=tile_px,
                stride_px=stride_px,
                jobs=jobs,
                partial=partial,
                dry_run=dry_run,
                on_plan=lambda plan: _print_plan(results if dry_run else errors, plan),
                on_progress=show,
            )
    except KeyboardInterrupt:
        errors.print("Stopped. The scenes that are cut are saved: the same command continues.")
        raise typer.Exit(INTERRUPTED) from None
    if dry_run:
        results.print(f"Nothing is cut. Tiles would go to {shown_path(prepared.plan.folder)}.", soft_wrap=True)
        return
    plan = prepared.plan
    results.print(f"{plan.layout.title}: {shown_path(plan.folder)}", style="bold", soft_wrap=True, markup=False)
    results.print(_result_table(prepared))
    for line in _remarks(prepared):
        results.print(line, soft_wrap=True, markup=False)
    for line in prepared.wrong_counts():
        errors.print(f"error: {line}. The originals are not the published ones.", soft_wrap=True)
    if prepared.wrong_counts():
        raise typer.Exit(1)


def _print_plan(console: Console, plan: Plan) -> None:
    title = f"{plan.layout.title}: tiles of {plan.tile_px} px every {plan.stride_px} px"
    console.print(title, style="bold", soft_wrap=True, markup=False, highlight=False)
    table = _table()
    for column in ("part", "scenes found", "published", "cut before", "missing"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for one in plan.found:
        done = plan.done_in(one.part)
        there = {pair.scene for pair in one.pairs} | {*done}
        table.add_row(
            one.part.title,
            grouped(len(one.pairs)),
            grouped(one.part.num_scenes),
            grouped(len(done)),
            grouped(max(0, one.part.num_scenes - len(there))),
        )
    console.print(table)


def _result_table(prepared: Prepared) -> Table:
    plan = prepared.plan
    table = _table()
    for column in ("part", "scenes", "tiles", "published tiles", "label pixels off the legend"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part in plan.layout.parts:
        records = prepared.of(part)
        table.add_row(
            part.title,
            f"{grouped(len(records))} of {grouped(part.num_scenes)}",
            grouped(sum(one.num_tiles for one in records)),
            grouped(part.num_tiles) if plan.published else "other tiles",
            grouped(sum(sum(one.off_legend.values()) for one in records)) if plan.layout.colour_labels else "-",
        )
    return table


def _remarks(prepared: Prepared) -> list[str]:
    lines = [f"Scenes cut now: {prepared.num_cut}; there before, and verified: {prepared.num_kept}."]
    if missing := prepared.plan.missing():
        lines.append(f"Incomplete. Missing: {'. '.join(missing)}.")
    for one in prepared.records:
        if one.off_legend:
            colours = sorted(one.off_legend.items(), key=lambda item: -item[1])
            shown = ", ".join(f"({colour}) {grouped(count)} px" for colour, count in colours[:_COLOURS_SHOWN])
            more = f" and {len(colours) - _COLOURS_SHOWN} more" if len(colours) > _COLOURS_SHOWN else ""
            lines.append(f"Label of {one.scene}: colours off the legend, now not scored: {shown}{more}.")
    return lines


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE)
