"""Options and arguments that several verbs share, so that each name means the same everywhere.

A test compares the options of all verbs: one name has one type and one help text; only the default in parentheses, and
examples after a colon, may differ.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

_CELL = "Cell"
_BENCH_HELP = "Bench and setting, such as loveda-da, isprs-dg or synthetic-ss; or a TOML file of your own."


def _check_device(name: str) -> str:
    from rs_adapt.config.execution import check_device

    check_device(name)
    return name


def _check_precision(name: str | None) -> str | None:
    from rs_adapt.config.execution import check_precision

    if name is not None:
        check_precision(name)
    return name


def _check_loggers(names: list[str] | None) -> list[str] | None:
    from rs_adapt.config.execution import check_loggers

    check_loggers(names or ())
    return names


def _set_threads(text: str) -> str:
    from rs_adapt.threads import set_threads

    set_threads(text)
    return text


# The axes of a cell.
Bench = Annotated[str, typer.Option("--bench", help=_BENCH_HELP, rich_help_panel=_CELL)]
OptionalBench = Annotated[str | None, typer.Option("--bench", help=_BENCH_HELP, rich_help_panel=_CELL)]
BenchOfRun = Annotated[
    str | None,
    typer.Option("--bench", help=f"{_BENCH_HELP.rstrip('.')} (default: the run's).", rich_help_panel=_CELL),
]
Setting = Annotated[
    str | None,
    typer.Option(
        "--setting",
        help="da (adaptation), dg (generalization) or ss (supervised); required if --bench is a TOML file.",
        rich_help_panel=_CELL,
    ),
]
Direction = Annotated[
    str | None, typer.Option("--direction", help="Direction of the bench, such as u2r.", rich_help_panel=_CELL)
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="Method that tunes the backbone; see `list methods` (default: the bench's).",
        rich_help_panel=_CELL,
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        help="ViT that the method tunes; see `list backbones` (default: the bench's).",
        rich_help_panel=_CELL,
    ),
]
Head = Annotated[
    str | None,
    typer.Option("--head", help="Decode head; see `list heads` (default: the bench's).", rich_help_panel=_CELL),
]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        help="How source and target are trained on; see `list strategies` (default: dacs for da, dacs-matched on a "
        "bench of your own; else source-only).",
        rich_help_panel=_CELL,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Random seed.", min=0, max=2**32 - 1)]
Untuned = Annotated[
    bool,
    typer.Option(
        "--untuned",
        help="Use the method's default hyperparameters, not those tuned for this bench.",
        rich_help_panel=_CELL,
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="Rules for target tiles and reported checkpoint; see `list protocols` (default: strict, or the run's).",
        rich_help_panel=_CELL,
    ),
]

# Changes to the configuration of a cell.
Iters = Annotated[int | None, typer.Option("--iters", help="Training iterations (default: the bench's).", min=1)]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", help="Batch size: crops per domain and iteration (default: the bench's).", min=1),
]
# What `--batch-size auto` is parsed as.
AUTO_BATCH = 0


def _parse_batch_size(text: str) -> int:
    if text == "auto":
        return AUTO_BATCH
    if not text.isdecimal() or int(text) < 1:
        raise typer.BadParameter(f"{text!r} is neither a number from 1 on nor auto.")
    return int(text)


BatchSizeOrAuto = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Batch size: crops per domain and iteration, or auto: at most the bench's, less if memory is short "
        "(default: the bench's).",
        metavar="N",
        parser=_parse_batch_size,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option("--precision", help="fp32 or bf16 (default: fp32, or the run's).", callback=_check_precision),
]
NumWorkers = Annotated[int | None, typer.Option("--num-workers", help="Worker processes that load images.", min=0)]
Weights = Annotated[
    str | None, typer.Option("--weights", help="File of base weights, or 'random' (default: the backbone's).")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change any key of the configuration, such as optim.lr=6e-5. Repeatable.",
        metavar="KEY=VALUE",
    ),
]
WorkDir = Annotated[
    Path | None, typer.Option("--work-dir", help="Folder of the run or sweep (default: below work_dirs).")
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the data sets (default: $RS_ADAPT_DATA, else ./data).")
]


def _use_plugins(paths: list[Path] | None) -> list[Path] | None:
    """Put plugins into use before any name of the command line is looked up."""
    if paths:
        from rs_adapt.plugins import use_plugins

        use_plugins(paths)
    return paths


# First of all options, because a method may come from one.
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugins",
        help="Python file, or folder of files, with methods from outside; its code is run. Repeatable.",
        metavar="PATH",
        callback=_use_plugins,
        is_eager=True,
    ),
]

# How a verb runs.
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", callback=_check_device)]
# Eager, because the number has to be known before torch is loaded.
Threads = Annotated[
    str,
    typer.Option(
        "--threads",
        help="Threads of torch on a CPU: a number or auto (OMP_NUM_THREADS, else by the backbone).",
        metavar="N",
        callback=_set_threads,
        is_eager=True,
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        help="Processes that share the batch, one per GPU of this machine (default: 1). torchrun works too.",
        min=1,
    ),
]
Logger = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        help="tensorboard, wandb, mlflow, clearml, aim or none (default: tensorboard if installed). Repeatable.",
        metavar="NAME",
        callback=_check_loggers,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and print what would be done, without doing it.")
]
Partial = Annotated[bool, typer.Option("--partial", help="Continue even if images, tiles or classes are missing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]


def out(default: str = "") -> Any:
    """Return the option for the output path.

    Args:
        default: The default path, for the help text; empty where the option is required.
    """
    return typer.Option("--out", "-o", help=f"Output file or folder{f' (default: {default})' if default else ''}.")


Views = Literal["flips", "d4", "scales"]


def tta(panel: str | None = None) -> Any:
    """Return the option for augmentation at test time.

    Args:
        panel: Heading of the help that it stands under.
    """
    return typer.Option(
        "--tta", help="Average over mirrored views, flips and quarter turns (d4), or scales.", rich_help_panel=panel
    )


def jobs(default: str) -> Any:
    """Return the option for how many jobs run at once.

    Args:
        default: The default number in words, for the help text.
    """
    return typer.Option("--jobs", help=f"Number of parallel jobs (default: {default}).", min=1)


def launcher(default: str) -> Any:
    """Return the option for how jobs are started.

    Args:
        default: The default launcher in words, for the help text.
    """
    return typer.Option("--launcher", help=f"local, inline or slurm (default: {default}).")


# Stored scores.
class UnitName(StrEnum):
    """The unit that the bootstrap resamples; auto means scenes if every tile has one, else images."""

    AUTO = "auto"
    IMAGE = "image"
    SCENE = "scene"


Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="Classes in the mean: all, comma-separated names, or no-NAME[,no-NAME] (default: all).",
        metavar="NAMES",
    ),
]
Ignore = Annotated[
    str | None,
    typer.Option("--ignore", help="Comma-separated classes; pixels with these labels are not scored.", metavar="NAMES"),
]
Selection = Annotated[
    str | None,
    typer.Option(
        "--selection",
        help="Checkpoint: last, guarded, best-source-val, best-label-free or oracle (default: the one that the run "
        "reports).",
    ),
]
Unit = Annotated[UnitName, typer.Option("--unit", help="Unit that the bootstrap resamples for the intervals.")]

# A trained model.
# Square brackets would be read as markup, and vanish.
RUN_HELP = "Run folder, folder of an adapter pack, or hf:OWNER/NAME with or without @REVISION."
Run = Annotated[Path, typer.Argument(metavar="RUN", help=RUN_HELP, show_default=False)]
