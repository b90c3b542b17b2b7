"""The tables and lines that `rs-adapt data prepare` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.commands.console import group_digits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rs_adapt.datasets.originals import Plan, Prepared

_COLOURS_SHOWN = 5


def print_plan(console: Console, plan: Plan) -> None:
    """Print the numbers of scenes of each part: found, published, already cut and missing."""
    tiles = "whole images" if plan.tile_px is None else f"tiles of {plan.tile_px} px every {plan.stride_px} px"
    title = f"{plan.layout.title}: {tiles}"
    console.print(title, style="bold", soft_wrap=True, highlight=False)
    table = _table()
    for column in ("part", "scenes found", "published", "cut before", "missing"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for scenes in plan.found:
        cut_before = plan.done_in(scenes.part)
        available = {pair.scene for pair in scenes.pairs} | {*cut_before}
        table.add_row(
            scenes.part.title,
            group_digits(len(scenes.pairs)),
            group_digits(scenes.part.num_scenes),
            group_digits(len(cut_before)),
            group_digits(max(0, scenes.part.num_scenes - len(available))),
        )
    console.print(table)


def result_table(prepared: Prepared) -> Table:
    """Return the scenes, tiles and label faults of each part."""
    plan = prepared.plan
    table = _table()
    for column in ("part", "scenes", "tiles", "published tiles", "label pixels off the legend"):
        table.add_column(column, justify="left" if column == "part" else "right")
    for part in plan.layout.parts:
        records = prepared.of(part)
        num_off_legend = sum(sum(record.off_legend.values()) for record in records)
        table.add_row(
            part.title,
            f"{group_digits(len(records))} of {group_digits(part.num_scenes)}",
            group_digits(sum(record.num_tiles for record in records)),
            group_digits(part.num_tiles) if plan.published else "other tiles",
            group_digits(num_off_legend) if plan.layout.colour_labels else "-",
        )
    return table


def remarks(prepared: Prepared) -> list[str]:
    """Return lines about the scenes that were cut, that are missing, and whose labels have unknown colours."""
    lines = [f"Scenes cut now: {prepared.num_cut}; cut before and verified: {prepared.num_kept}."]
    if missing := prepared.plan.missing():
        lines.append(f"Incomplete. Missing: {'. '.join(missing)}.")
    for record in prepared.records:
        if record.off_legend:
            colours = sorted(record.off_legend.items(), key=lambda item: -item[1])
            examples = ", ".join(f"({colour}) {group_digits(count)} px" for colour, count in colours[:_COLOURS_SHOWN])
            more = f" and {len(colours) - _COLOURS_SHOWN} more" if len(colours) > _COLOURS_SHOWN else ""
            lines.append(f"Label of {record.scene}: colours off the legend, not scored now: {examples}{more}.")
    return lines


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE)
