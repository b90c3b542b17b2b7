"""`rs-adapt weights build`: pre-train the small backbone that comes with the package."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, say, shorten_path

BUILDS = {"nano": "dinov2_nano"}


def build_weights(
    name: Annotated[str, typer.Argument(help="What to build: nano.", metavar="NAME")],
    out: Annotated[Path, options.out()] = Path("dinov2_nano.safetensors"),
    steps: Annotated[int | None, typer.Option("--steps", help="Training steps (default: the recipe's).", min=1)] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
) -> None:
    """Pre-train the nano backbone on synthetic scenes, as the shipped weights were made.

    The recipe is in rs_adapt/pretraining/recipe.py and in the header of the file. To train with the file, add
    --weights FILE. The same seed gives the same weights on the same machine with the same number of threads.

    $ rs-adapt weights build nano --out nano.safetensors
    """
    from rs_adapt.config import axes
    from rs_adapt.config.names import normalize, unknown_name_message
    from rs_adapt.errors import UnknownName
    from rs_adapt.files import check_output_file
    from rs_adapt.registry import MODELS, load_libraries, quiet_libraries

    if normalize(name) not in BUILDS:
        raise UnknownName(unknown_name_message("build of weights", name, tuple(BUILDS)))
    check_output_file(out, overwrite=overwrite)
    config = axes.load("backbone", BUILDS[normalize(name)])
    load_libraries()
    from mmengine.device import get_device

    from rs_adapt.engine.build import choose_device
    from rs_adapt.pretraining import NANO, build_nano, write_weights

    recipe = dataclasses.replace(NANO, seed=seed, steps=steps or NANO.steps)
    with quiet_libraries(), progress_callback(True) as on_progress:
        choose_device(device)
        vit = build_nano(
            config["backbone"],
            config["model"]["backbone"],
            recipe=recipe,
            device=get_device(),
            on_progress=on_progress,
        )
        write_weights(out, vit, recipe=recipe, overwrite=overwrite)
        # Read as `train` reads it: packs identify the base by the SHA-256 of the tensors in the file.
        backbone = MODELS.build(config["model"]["backbone"] | {"weights": str(out)})
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    say(f"{shorten_path(out)}: {group_digits(parameters)} parameters, {group_digits(out.stat().st_size)} bytes")
    say(f"base sha256 {backbone.base_sha256()}")
    shipped = config["backbone"]["weights"]["base_sha256"]
    say("the shipped weights" if backbone.base_sha256() == shipped else f"not the shipped weights ({shipped})")
