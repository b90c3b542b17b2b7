"""`rs-adapt data list`: data sets that have a manifest, and which of them are here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.commands import options

if TYPE_CHECKING:
    from pathlib import Path

    from rs_adapt.datasets.manifest import Manifest


def list_data(data_root: options.DataRoot = None) -> None:
    """List data sets: images, licence, how to get each, and which are here.

    $ rs-adapt data list

    $ rs-adapt data list --data-root /data
    """
    import sys

    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rs_adapt.commands.console import grouped, shown_path
    from rs_adapt.config.paths import data_root as root_of
    from rs_adapt.datasets.manifest import load_manifest, manifest_names

    root = root_of(data_root)
    table = Table(title="data", box=box.SIMPLE, title_justify="left")
    for heading in ("name", "title", "images", "licence", "how", "state"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("name", "images", "how"))
    for name in manifest_names():
        manifest = load_manifest(name)
        table.add_row(
            name.replace("_", "-"),
            escape(manifest.title),
            grouped(manifest.num_images) if manifest.num_images else "",
            escape(manifest.licence),
            manifest.access,
            _state(manifest, root),
        )
    Console(width=None if sys.stdout.isatty() else 240).print(table)
    print(f"found: files below {shown_path(root)}/NAME. `rs-adapt data fetch NAME` gets archives, or says how.")


def _state(manifest: Manifest, root: Path) -> str:
    from rs_adapt.config.paths import downloads_dir

    if manifest.access == "drawn":
        return "when needed"
    if any((root / manifest.name).glob("*")):
        return "found"
    there = [one for one in manifest.archives if (downloads_dir(manifest.name) / one.name).is_file()]
    return f"{len(there)} of {len(manifest.archives)} archives fetched" if there else ""
