"""`rs-adapt data list`: list the data sets, and which of them are on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, print_json, say, shorten_path, table_console

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from rs_adapt.datasets.manifest import Manifest


def list_data(data_root: options.DataRoot = None, as_json: options.AsJson = False) -> None:
    """List data sets: images, licence, how to get each, and which are on this machine.

    $ rs-adapt data list

    $ rs-adapt data list --data-root /data
    """
    from rs_adapt.config.paths import data_root as root_of
    from rs_adapt.datasets.manifest import load_manifest, manifest_names

    root = root_of(data_root)
    rows = [_facts(load_manifest(name), root) for name in manifest_names()]
    if as_json:
        print_json(rows)
        return
    table_console().print(_table(rows))
    say(f"found: files below {shorten_path(root)}/NAME. `rs-adapt data fetch NAME` fetches them or prints the steps.")


def _facts(manifest: Manifest, root: Path) -> dict[str, str | int | None]:
    return {
        "name": manifest.name.replace("_", "-"),
        "title": manifest.title,
        "images": manifest.num_images or None,
        "licence": manifest.licence,
        "how": manifest.access,
        "state": _state(manifest, root),
    }


def _table(rows: list[dict[str, str | int | None]]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title="data", box=box.SIMPLE, title_justify="left")
    for heading in rows[0]:
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "images", "how"))
    for row in rows:
        cells = (group_digits(value) if isinstance(value, int) else value or "" for value in row.values())
        table.add_row(*cells)
    return table


def _state(manifest: Manifest, root: Path) -> str:
    from rs_adapt.config.paths import downloads_dir

    if manifest.access == "drawn":
        return "when needed"
    if any((root / manifest.name).glob("*")):
        return "found"
    fetched = [archive for archive in manifest.archives if (downloads_dir(manifest.name) / archive.name).is_file()]
    return f"{len(fetched)} of {len(manifest.archives)} archives fetched" if fetched else ""
