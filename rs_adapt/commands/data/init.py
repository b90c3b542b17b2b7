"""`rs-adapt data init`: write a commented bench file for scenes of your own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import say, shorten_path
from rs_adapt.errors import ConfigError


def init(
    name: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits and _.", metavar="NAME")],
    out: Annotated[Path | None, options.out("NAME.toml")] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a commented bench file for your own scenes.

    $ rs-adapt data init myset
    """
    from rs_adapt.config.own import bench as own_bench
    from rs_adapt.files import check_output_file, write_text

    if not re.fullmatch(r"[a-z0-9][a-z0-9_]*", name):
        raise ConfigError(f"The name {name!r} cannot be used: use lower-case letters, digits and _, such as my_region.")
    path = out or Path(f"{name}.toml")
    if path.suffix != ".toml":
        raise ConfigError(f"--out is {path}, but the name of a bench file must end with .toml.")
    check_output_file(path, overwrite=overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, own_bench.TEMPLATE.read_text(encoding="utf-8").replace("@NAME@", name))
    except OSError as error:
        raise ConfigError(f"Cannot write {path}: {error.strerror}. Choose a different file with --out.") from error
    say(f"Wrote {shorten_path(path)}: fill in the folders and classes, then run")
    say(f"  rs-adapt train --bench {shorten_path(path)} --setting da --dry-run")
