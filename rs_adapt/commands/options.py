"""Options that several verbs share, so that each means the same everywhere.

Axis options (`Bench` to `Protocol`) name a cell: train, show, cost (all methods). Run options (`Iters` to `Set`)
change its config: train, show, cost. `Device`: the verbs that compute.
`Classes` to `Unit`: the verbs that read stored scores.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

Bench = Annotated[
    str,
    typer.Option(
        "--bench",
        help="Bench and setting, such as loveda-da, isprs-dg or synthetic-ss; or a TOML of your own.",
        rich_help_panel="Cell",
    ),
]
Setting = Annotated[
    str | None,
    typer.Option(
        "--setting",
        help="da, dg or ss, where --bench does not end with it (a TOML of your own).",
        rich_help_panel="Cell",
    ),
]
Direction = Annotated[
    str | None,
    typer.Option("--direction", help="Direction of the bench, such as u2r.", rich_help_panel="Cell"),
]
Method = Annotated[
    str | None,
    typer.Option("--method", help="How the backbone is tuned (default: the bench's).", rich_help_panel="Cell"),
]
Backbone = Annotated[
    str | None, typer.Option("--backbone", help="Foundation model (default: the bench's).", rich_help_panel="Cell")
]
Head = Annotated[str | None, typer.Option("--head", help="Decode head (default: the bench's).", rich_help_panel="Cell")]
Strategy = Annotated[
    str | None,
    typer.Option(
        "--strategy",
        help="Use of source and target (default: dacs for da, source-only for dg and ss).",
        rich_help_panel="Cell",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the run.", min=0, max=2**32 - 1, rich_help_panel="Cell")]
Untuned = Annotated[
    bool,
    typer.Option("--untuned", help="Ignore the method's values tuned for this bench.", rich_help_panel="Cell"),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        "--protocol",
        help="What of the target is seen and scored, and which checkpoint is the result (default: strict).",
        rich_help_panel="Cell",
    ),
]

Iters = Annotated[int | None, typer.Option("--iters", help="Training iterations (default: the bench's).", min=1)]
BatchSize = Annotated[
    int | None, typer.Option("--batch-size", help="Crops per domain and iteration (default: the bench's).", min=1)
]
Precision = Annotated[str | None, typer.Option("--precision", help="fp32 or bf16 (default: fp32).")]
NumWorkers = Annotated[int | None, typer.Option("--num-workers", help="Processes that load images.", min=0)]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        help="Processes that share the batch, one a GPU of this machine (default: 1). torchrun works too.",
        min=1,
    ),
]
Logger = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        help="tensorboard, wandb, mlflow, clearml, aim or none (default: tensorboard if installed). Repeatable.",
        metavar="NAME",
    ),
]
WorkDir = Annotated[
    Path | None, typer.Option("--work-dir", help="Folder of the run (default: work_dirs/<bench>/<setting>/...).")
]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the data sets (default: $RS_ADAPT_DATA, else ./data).")
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="File of base weights, or 'random' (default: the backbone's).")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change any key of the config, such as optim.lr=6e-5. Repeatable.", metavar="KEY=VALUE"),
]


class UnitName(StrEnum):
    """What is drawn for an interval; auto is scenes where all tiles have one, else images."""

    AUTO = "auto"
    IMAGE = "image"
    SCENE = "scene"


Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        help="Classes in the mean: all, names with commas between, or no-NAME[,no-NAME] (default: all).",
        metavar="NAMES",
    ),
]
Ignore = Annotated[
    str | None,
    typer.Option("--ignore", help="Classes whose true pixels count nowhere, with commas between.", metavar="NAMES"),
]
Selection = Annotated[
    str | None,
    typer.Option("--selection", help="last, best-source-val, best-label-free or oracle (default: the run's headline)."),
]
Unit = Annotated[UnitName, typer.Option("--unit", help="What is drawn for the intervals.")]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
