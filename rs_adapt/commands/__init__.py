"""The command line. One verb a file; a verb imports what it needs when it runs, so `--help` stays quick."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from rs_adapt.commands.compare import compare
from rs_adapt.commands.cost import cost
from rs_adapt.commands.data import data_app
from rs_adapt.commands.doctor import doctor
from rs_adapt.commands.evaluate import evaluate
from rs_adapt.commands.export import export
from rs_adapt.commands.inspect import inspect
from rs_adapt.commands.lint import lint
from rs_adapt.commands.list import list_values
from rs_adapt.commands.report import report
from rs_adapt.commands.score import score
from rs_adapt.commands.show import show
from rs_adapt.commands.submit import submit
from rs_adapt.commands.sweeps.plan import plan
from rs_adapt.commands.sweeps.sweep import sweep
from rs_adapt.commands.train import train
from rs_adapt.commands.verify import verify
from rs_adapt.commands.weights import weights_app
from rs_adapt.errors import RsAdaptError, StoppedElsewhere

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="rs-adapt",
    help="Domain adaptation and generalization in remote-sensing semantic segmentation.",
    no_args_is_help=True,
    # Tensors and whole configs are locals here: a traceback that prints them is unreadable.
    pretty_exceptions_show_locals=False,
    add_completion=False,
)
app.command("train")(train)
app.command("eval")(evaluate)
app.command("score")(score)
app.command("compare")(compare)
app.command("report")(report)
app.command("export")(export)
app.command("inspect")(inspect)
app.command("lint")(lint)
app.command("list")(list_values)
app.command("show")(show)
app.command("submit")(submit)
app.command("sweep")(sweep)
app.command("plan")(plan)
app.command("cost")(cost)
app.command("doctor")(doctor)
app.command("verify")(verify)
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")


@app.callback()
def root() -> None:
    """Domain adaptation and generalization in remote-sensing semantic segmentation."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and turn our errors into one line on stderr and an exit code.

    Exit codes: 0 done, 1 the run failed, 2 wrong usage, config or data.

    Args:
        argv: arguments without the program's name; default `sys.argv`.

    Raises:
        SystemExit: always, with the exit code.
    """
    try:
        app(args=None if argv is None else [*argv], prog_name="rs-adapt")
    except RsAdaptError as error:
        if not isinstance(error, StoppedElsewhere):
            print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
