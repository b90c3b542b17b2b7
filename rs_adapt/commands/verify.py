"""`rs-adapt verify`: hold a run against a training log, another run, or what is published for its cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder of rs-adapt.", metavar="RUN")],
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="A log of mmengine (text or JSON lines), a folder with one, a run folder, or 'paper' for what is "
            "published for the run's cell.",
            metavar="LOG|paper",
        ),
    ],
    as_json: options.AsJson = False,
) -> None:
    """Compare a run with a training log, with another run, or with published numbers.

    Exit code 0 where all agree, 1 where a key that matters, the schedule or the score differs.

    $ rs-adapt verify RUN --against paper

    $ rs-adapt verify RUN --against 20250404_120000.log --json
    """
    from rs_adapt.audit.verify.run_record import read_reference, read_run
    from rs_adapt.audit.verify.verification import verify_against_log, verify_against_paper
    from rs_adapt.commands.console import result_console

    record = read_run(run)
    # A file of that name can still be named as ./paper.
    paper = against == "paper"
    found = verify_against_paper(record) if paper else verify_against_log(record, read_reference(Path(against)))
    if as_json:
        from rs_adapt.audit.verify.tables import plain_values

        print(json.dumps(plain_values(found.to_dict()), indent=2, allow_nan=False))
    else:
        from rs_adapt.audit.verify.tables import format_lines

        console = result_console()
        for line in format_lines(found):
            console.print(line, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found.consistent else 1)
