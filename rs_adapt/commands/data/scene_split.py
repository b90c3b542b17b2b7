"""`rs-adapt data prepare` and `data verify` for data sets of scene classes: the list of a split, and its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands.console import group_digits, print_json, say, shorten_path, table_console
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from rs_adapt.datasets.scene_classes.prepare import PreparedSplit


def prepare_scene_split(
    bench: str, data_root: Path, *, seed: int, released: Path | None, overwrite: bool, dry_run: bool
) -> None:
    """Write the list of a split, and print its counts and hash."""
    from rs_adapt.datasets.scene_classes.prepare import prepare_split

    if dry_run:
        raise ConfigError("--dry-run does not apply to scene classes: their list is written in a second. Leave it out.")
    prepared = prepare_split(bench, data_root, seed=seed, released=released, overwrite=overwrite)
    _print(prepared)
    say("Written." if prepared.is_new else "It was there already.")


def verify_scene_split(bench: str, data_root: Path, *, as_json: bool) -> None:
    """Open every image of a split, and print counts and hash."""
    from rs_adapt.datasets.scene_classes.prepare import check_scenes

    with progress_callback(True) as on_progress:
        prepared = check_scenes(bench, data_root, on_progress)
    if as_json:
        classes = {name: dict(counts) for name, counts in prepared.classes.items()}
        print_json({"split": str(prepared.path), "sha256": prepared.sha256, "classes": classes})
        return
    _print(prepared)
    say("Every image can be read.")


def _print(prepared: PreparedSplit) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    table.add_column("class")
    parts = list(prepared.counts)
    for part in parts:
        table.add_column(part, justify="right")
    for name, counts in prepared.classes.items():
        table.add_row(name, *(group_digits(counts[part]) for part in parts))
    table.add_section()
    table.add_row("all", *(group_digits(prepared.counts[part]) for part in parts))
    table_console().print(table)
    say(f"{shorten_path(prepared.path)}: sha256 {prepared.sha256}")
