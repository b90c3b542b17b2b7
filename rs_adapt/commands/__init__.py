"""The command line. One verb a file; a verb is imported when it is called, so `--help` is quick."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.commands.lazy import Verb, VerbGroup
from rs_adapt.errors import RsAdaptError, StoppedElsewhere
from rs_adapt.threads import wait_passively

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {
    "train": Verb("rs_adapt.commands.train:train", "Train a method on a bench and score it on the target region."),
    "eval": Verb(
        "rs_adapt.commands.evaluate:evaluate",
        "Score a trained model on a labelled split: IoU and accuracy by class, confusion matrix.",
    ),
    "predict": Verb(
        "rs_adapt.commands.predict:predict",
        "Predict whole scenes and write georeferenced maps (cloud-optimized GeoTIFF).",
    ),
    "adapt": Verb(
        "rs_adapt.commands.adapt:adapt",
        "Train on the source, train again with the target's images, and average the weights of both.",
    ),
    "average": Verb(
        "rs_adapt.commands.average:average",
        "Average the weights of trained models that share base, method, head and seed.",
    ),
    "calibrate": Verb(
        "rs_adapt.commands.calibrate:calibrate",
        "Fit a temperature on the source's validation tiles, so that confidence means accuracy there.",
    ),
    "judge": Verb(
        "rs_adapt.commands.judge:judge",
        "Compare two models on the target without labels: agreement, confidence, class shares, where they differ.",
    ),
    "score": Verb(
        "rs_adapt.commands.score:score",
        "Rescore a finished run from its stored confusion matrices: other classes, groups, protocols.",
    ),
    "compare": Verb(
        "rs_adapt.commands.compare:compare",
        "Compare two runs on the same images: the difference by class, with paired intervals.",
    ),
    "report": Verb(
        "rs_adapt.commands.report:report", "Write one page about many runs: scores, classes, curves, cost, failures."
    ),
    "export": Verb(
        "rs_adapt.commands.export:export", "Export the adapter pack of a run, or the whole model for other programs."
    ),
    "inspect": Verb(
        "rs_adapt.commands.inspect:inspect",
        "Show what an adapter does to one image: prediction, features by block, the adapter's maps.",
    ),
    "lint": Verb(
        "rs_adapt.commands.lint:lint",
        "Find target labels in training, val = test, wrong class lists, shared tiles, changed recipes.",
    ),
    "list": Verb(
        "rs_adapt.commands.list:list_values",
        "List the names that options take, and the schemas of files.",
    ),
    "show": Verb(
        "rs_adapt.commands.show:show", "Print the resolved configuration of a cell as Python that mmengine reads."
    ),
    "submit": Verb("rs_adapt.commands.submit:submit", "Write the zip of predictions that LoveDA's server scores."),
    "sweep": Verb(
        "rs_adapt.commands.sweeps.sweep:sweep",
        "Run the cells of a sweep: skip finished cells, resume interrupted ones, report failures.",
    ),
    "plan": Verb(
        "rs_adapt.commands.sweeps.plan:plan",
        "Measure how long a sweep or a cell takes on this machine, and its memory and disk.",
    ),
    "cost": Verb(
        "rs_adapt.commands.cost:cost",
        "Measure what methods of segmentation cost: parameters, memory, size on disk, time of training and inference.",
    ),
    "doctor": Verb(
        "rs_adapt.commands.doctor:doctor",
        "Check this machine: Python, packages, GPU, disk, weights, data, one training iteration.",
    ),
    "verify": Verb(
        "rs_adapt.commands.verify:verify",
        "Check a finished run against itself, or compare it with a training log, another run, or published numbers.",
    ),
    "share": Verb(
        "rs_adapt.commands.share:share", "Write a finished run as one anonymous archive, which verify checks."
    ),
    "data": Verb(
        "rs_adapt.commands.data:data_app",
        "Data sets: list, fetch, prepare, verify, show, clean, start a bench of your own.",
    ),
    "weights": Verb(
        "rs_adapt.commands.weights:weights_app", "Base weights: list, fetch, verify, convert, import, build."
    ),
}


_NAMES = ("bench", "setting", "direction", "method", "backbone", "head", "strategy", "protocol")
_PATHS = ("work-dir", "data-root", "weights", "teacher", "from", "plugins")
_NEVER_EMPTY = {f"--{name}" for name in (*_NAMES, *_PATHS)}


class RootGroup(VerbGroup):
    """The verbs of `rs-adapt`."""

    verbs = VERBS

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Refuse empty names and paths: a shell's variable that is not set would mean a default, or this folder."""
        for before, argument in zip(["", *args], args, strict=False):
            option = before if argument == "" else argument.removesuffix("=")
            if option in _NEVER_EMPTY and option != argument:
                raise typer.BadParameter(
                    f"The value of {option} is empty. Give one, or leave {option} out; a variable of the shell may not "
                    "be set."
                )
        return super().parse_args(ctx, args)


app = typer.Typer(
    name="rs-adapt",
    cls=RootGroup,
    help="Domain adaptation and generalization in remote-sensing semantic segmentation.",
    no_args_is_help=True,
    # Tensors and whole configs are locals here: a traceback that prints them is unreadable.
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from rs_adapt import __version__

        print(f"rs-adapt {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Domain adaptation and generalization in remote-sensing semantic segmentation."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and turn errors of rs-adapt into one line on stderr and an exit code.

    Exit codes: 0 done, 1 the run failed, 2 wrong usage, config or data.

    Args:
        argv: Arguments without the program's name; default `sys.argv`.

    Raises:
        SystemExit: Always, with the exit code.
    """
    if "RS_ADAPT_PARENT_PIPE" in os.environ:
        # Only where another process of rs-adapt has started this one: it takes longer than the help.
        from rs_adapt.launching import watch_parent

        watch_parent()
    # Before any verb loads torch.
    wait_passively()
    try:
        app(args=None if argv is None else [*argv], prog_name="rs-adapt")
    except RsAdaptError as error:
        if not isinstance(error, StoppedElsewhere):
            from rs_adapt.render.plain_text import printable

            print(f"error: {printable(str(error))}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        from rs_adapt.disk import describe_disk_failure, describe_path_failure, disk_remedy, find_disk_failure
        from rs_adapt.render.plain_text import printable

        if (failure := find_disk_failure(error)) is not None:
            sentences = f"{describe_disk_failure(failure, Path.cwd())} {disk_remedy(failure)}"
        elif (sentences := describe_path_failure(error) or "") == "":
            raise
        print(f"error: {printable(sentences)}", file=sys.stderr)
        raise SystemExit(2) from None
