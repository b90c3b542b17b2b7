"""`rs-adapt doctor`: check this machine, and print the commands that fix faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from rs_adapt.api.progress import error_console
from rs_adapt.commands import options
from rs_adapt.commands.console import print_json, result_console


def doctor(
    data_root: options.DataRoot = None,
    no_training: Annotated[bool, typer.Option("--no-training", help="Skip the training of one iteration.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check this machine: Python, packages, GPU, disk, weights, data, one training iteration.

    Each line is ok, a warning or an error, with the command that fixes it. Exit code 1 if there is an error.

    $ rs-adapt doctor

    $ rs-adapt doctor --json --no-training
    """
    from rs_adapt.audit.doctor import examine
    from rs_adapt.config import paths
    from rs_adapt.render.terminal import styled

    errors = error_console()
    with errors.status("") as status:
        findings = examine(
            data_root=paths.data_root(data_root),
            smoke=not no_training,
            on_check=lambda name: status.update(f"checking {name}"),
        )
    failed = any(finding.status == "error" for finding in findings)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console = result_console()
        colour = {"ok": "green", "warning": "yellow", "error": "red"}
        for finding in findings:
            console.print(styled(f"{finding.status:<7}", colour[finding.status]), end="")
            console.print(f" {finding.name}: ", end="")
            console.print(finding.seen, soft_wrap=True)
            if finding.fix:
                console.print(f"        -> {finding.fix}", soft_wrap=True)
    raise typer.Exit(1 if failed else 0)
