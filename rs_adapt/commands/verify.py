"""`rs-adapt verify`: compare a run with a training log, another run, or the published numbers of its cell."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder of rs-adapt.", metavar="RUN")],
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="Compare with: paper (the published scores), a run folder, an mmengine log, or a folder with one.",
            metavar="RUN|LOG|paper",
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Compare a run with a training log, with another run, or with published numbers.

    Exit code 0 if all agree, 1 if a key that matters, the schedule or the score differs.

    $ rs-adapt verify RUN --against paper

    $ rs-adapt verify RUN --against 20250404_120000.log --json
    """
    from rs_adapt.api.checking import verify as verify_run

    verification = verify_run(run, against)
    if as_json:
        from rs_adapt.audit.verify.tables import plain_values

        print_json(plain_values(verification.to_dict()))
    else:
        from rs_adapt.audit.verify.tables import format_lines

        console = result_console()
        for line in format_lines(verification):
            console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(0 if verification.consistent else 1)
