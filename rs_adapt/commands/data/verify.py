"""`rs-adapt data verify`: check every tile of a data set or bench."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, result_console

if TYPE_CHECKING:
    from rich.table import Table

    from rs_adapt.datasets.verify import SetReport, TileReport

_FAULTS_SHOWN = 20
_GROUPS_SHOWN = 3


def verify(
    name: Annotated[
        str, typer.Argument(help="Data set (such as potsdam-irrg) or bench (such as loveda-da).", metavar="NAME")
    ],
    data_root: options.DataRoot = None,
    as_json: options.AsJson = False,
) -> None:
    """Check every tile of a data set: counts, pairs, sizes, label values, damage, duplicates.

    Exit code 1 if something is wrong: counts that differ from the published ones, an image without a label, a file
    that cannot be read, a wrong size or label value, an image that is in both train and val.

    $ rs-adapt data verify loveda --data-root data

    $ rs-adapt data verify isprs-da --json
    """
    from rs_adapt.config import paths
    from rs_adapt.datasets.scene_classes.prepare import scene_bench
    from rs_adapt.datasets.tile_sets import find_tile_sets
    from rs_adapt.datasets.verify import verify_tiles

    if (scenes := scene_bench(name)) is not None:
        from rs_adapt.commands.data.scene_split import verify_scene_split

        verify_scene_split(scenes, paths.data_root(data_root), as_json=as_json)
        return
    tiles = find_tile_sets(name, paths.data_root(data_root))
    with progress_callback(True) as show:
        report = verify_tiles(tiles, show)
    if as_json:
        print_json(report)
    else:
        _print_report(report)
    if not report["ok"]:
        raise typer.Exit(1)


def _print_report(report: TileReport) -> None:
    console = result_console()
    sides = " and ".join(map(str, report["tile_px"]))
    tiles = f"tiles of {sides} px" if sides else "whole images"
    console.print(f"{report['title']}: {tiles}", style="bold", soft_wrap=True)
    console.print(_numbers(report["sets"]))
    console.print(_shares(report["sets"]))
    if (recorded := report.get("contents")) is not None:
        from rs_adapt.datasets.own.contents import Contents, describe_contents

        for line in describe_contents(Contents.model_validate(recorded)):
            console.print(line, soft_wrap=True)
    duplicates = report["duplicates"]
    equal = {"within a set": duplicates["within"], "in train (or val) of both regions": duplicates["across_regions"]}
    for where, groups in equal.items():
        if groups:
            examples = "; ".join(" = ".join(group) for group in groups[:_GROUPS_SHOWN])
            console.print(f"Equal images {where}: {len(groups)} groups, such as {examples}", soft_wrap=True)
    for fault in report["faults"][:_FAULTS_SHOWN]:
        console.print(f"wrong: {fault}", soft_wrap=True)
    if len(report["faults"]) > _FAULTS_SHOWN:
        console.print(f"... and {len(report['faults']) - _FAULTS_SHOWN} more: --json lists all.")
    console.print("No faults." if report["ok"] else f"Faults: {len(report['faults'])}.")


def _numbers(rows: list[SetReport]) -> Table:
    table = _table("set", "images", "labels", "published", "sizes (px)", "label values", "one colour", "faults")
    for row in rows:
        table.add_row(
            row["set"],
            group_digits(row["images"]),
            group_digits(row["labels"]),
            "-" if row["published"] is None else group_digits(row["published"]),
            ", ".join(row["sizes"]) or "-",
            " ".join(row["values"]) or "-",
            group_digits(row["blank_images"]),
            group_digits(len(row["faults"])),
        )
    return table


def _shares(rows: list[SetReport]) -> Table:
    from rs_adapt.datasets.verify import shares

    table = _table("% of labelled pixels", *(row["set"] for row in rows))
    for name, values in shares(rows).items():
        table.add_row(name, *(f"{value:.2f}" for value in values))
    table.add_row("not scored, % of all", *(f"{row['ignored_pct']:.2f}" for row in rows))
    return table


def _table(row_heading: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column(row_heading)
    for column in columns:
        table.add_column(column, justify="right")
    return table
