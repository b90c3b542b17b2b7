"""`rs-adapt verify`: check a run against itself, or compare it with a log, another run, or published numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console


def verify(
    run: Annotated[
        Path, typer.Argument(help="Run folder of rs-adapt; by itself also a training log.", metavar="RUN | LOG")
    ],
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Compare with: paper (the published scores), a run folder, a log of mmengine or mmcv, a folder "
            "with one, or a configuration of either. "
            "Without it, the run is checked against itself.",
            metavar="RUN|LOG|CONFIG.py|paper",
        ),
    ] = None,
    data_root: options.DataRoot = None,
    plugins: options.Plugins = None,
    as_json: options.AsJson = False,
) -> None:
    """Check a finished run against itself, or compare it with a training log, another run, or published numbers.

    By itself: everything that its files determine is recomputed, such as scores from the stored confusion matrices,
    selections from the curve, and the configuration from the cell; hashes show files that were changed. Of a log of
    mmengine or mmcv: means of classes, length, learning rates.

    Exit code 0 if all agree, 1 if something contradicts, or a key that matters, the schedule or the score differs.

    $ rs-adapt verify RUN

    $ rs-adapt verify 20250404_120000.log

    $ rs-adapt verify RUN --against paper

    $ rs-adapt verify RUN --against 20250404_120000.log --json
    """
    from rs_adapt.api.checking import verify as verify_run

    if against is None:
        check = verify_run(run, data_root=data_root)
        if as_json:
            print_json(check.to_dict())
        else:
            from rs_adapt.reports.selfcheck_table import selfcheck_table

            console = result_console()
            console.print(check.verdict, style="bold", soft_wrap=True)
            console.print(selfcheck_table(check))
        raise typer.Exit(0 if check.consistent else 1)
    verification = verify_run(run, against)
    if as_json:
        from rs_adapt.audit.verify.tables import plain_values

        print_json(plain_values(verification.to_dict()))
    else:
        from rs_adapt.audit.verify.tables import format_lines

        console = result_console()
        for line in format_lines(verification):
            console.print(line, soft_wrap=True)
    raise typer.Exit(0 if verification.consistent else 1)
