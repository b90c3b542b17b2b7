"""`rs-adapt average`: the mean of several trained models as one pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, say


def average(
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help=f"Two or more. {options.RUN_HELP}")],
    out: Annotated[Path, options.out()],
    share: Annotated[
        list[float] | None,
        typer.Option(
            "--share", metavar="SHARE", help="Share of a model, in their order; repeated, sum 1 (default: equal ones)."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Average the weights of trained models that share base, method, head and seed.

    The mean costs no more to run than one of them. With the source-only run in it, it stays near a model that has
    learned nothing wrong from the target.

    $ rs-adapt average work_dirs/source-only work_dirs/dacs --out work_dirs/mean

    $ rs-adapt average A B --share 0.3 --share 0.7 --out work_dirs/mean
    """
    from rs_adapt.api.averaging import average as average_runs

    manifest = average_runs(runs, out=out, shares=share)
    if as_json:
        print_json(manifest.content())
        return
    say(f"{out}: {manifest.notes[-1]}")
    say(f"Score it with `rs-adapt eval {out}`.")
