"""`rs-adapt weights build`: pre-train the small backbones that come with the package."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rs_adapt.api.progress import progress_callback
from rs_adapt.commands import options
from rs_adapt.commands.console import group_digits, say, shorten_path

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode
    from rs_adapt.progress import OnProgress

BUILDS = {"nano": "dinov2_nano", "nano_clip": "nano_clip"}


def build_weights(
    name: Annotated[str, typer.Argument(help="What to build: nano or nano-clip.", metavar="NAME")],
    out: Annotated[Path | None, options.out("the shipped file's name")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Training steps (default: the recipe's).", min=1)] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
) -> None:
    """Pre-train a nano backbone on synthetic scenes, as the shipped weights were made.

    The recipe is in rs_adapt/pretraining/ and in the header of the file. To train with the file, add --weights FILE.
    The same seed gives the same weights on the same machine with the same number of threads. The training of nano-clip
    keeps its state beside the file, FILE.state, and resumes from it.

    $ rs-adapt weights build nano --out nano.safetensors

    $ rs-adapt weights build nano-clip --out clip.safetensors
    """
    from rs_adapt.config import axes
    from rs_adapt.config.names import normalize, unknown_name_message
    from rs_adapt.errors import UnknownName
    from rs_adapt.files import check_output_file
    from rs_adapt.registry import MODELS, load_libraries, quiet_libraries

    if normalize(name) not in BUILDS:
        raise UnknownName(unknown_name_message("build of weights", name, tuple(BUILDS)))
    config = axes.load("backbone", BUILDS[normalize(name)])
    file = out or Path(config["backbone"]["weights"]["file"])
    check_output_file(file, overwrite=overwrite)
    load_libraries()
    from rs_adapt.engine.build import choose_device

    build = _build_nano if normalize(name) == "nano" else _build_nano_clip
    with quiet_libraries(), progress_callback(True) as on_progress:
        choose_device(device)
        build(config, file, steps, seed, overwrite, on_progress)
        # Read as `train` reads it: packs identify the base by the SHA-256 of the tensors in the file.
        backbone = MODELS.build(config["model"]["backbone"] | {"weights": str(file)})
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    say(f"{shorten_path(file)}: {group_digits(parameters)} parameters, {group_digits(file.stat().st_size)} bytes")
    say(f"base sha256 {backbone.base_sha256()}")
    shipped = config["backbone"]["weights"]["base_sha256"]
    say("the shipped weights" if backbone.base_sha256() == shipped else f"not the shipped weights ({shipped})")


def _build_nano(
    config: ConfigNode, file: Path, steps: int | None, seed: int, overwrite: bool, on_progress: OnProgress
) -> None:
    from mmengine.device import get_device

    from rs_adapt.pretraining import NANO, build_nano, write_weights

    recipe = dataclasses.replace(NANO, seed=seed, steps=steps or NANO.steps)
    vit = build_nano(
        config["backbone"], config["model"]["backbone"], recipe=recipe, device=get_device(), on_progress=on_progress
    )
    write_weights(file, vit, recipe=recipe, overwrite=overwrite)


def _build_nano_clip(
    config: ConfigNode, file: Path, steps: int | None, seed: int, overwrite: bool, on_progress: OnProgress
) -> None:
    from mmengine.device import get_device

    from rs_adapt.pretraining.nano_clip import NANO_CLIP, build_nano_clip, write_clip

    recipe = dataclasses.replace(NANO_CLIP, seed=seed, steps=steps or NANO_CLIP.steps)
    state = file.with_name(f"{file.name}.state")
    model = build_nano_clip(
        config["backbone"],
        config["model"]["backbone"],
        recipe=recipe,
        device=get_device(),
        checkpoint=state,
        on_progress=on_progress,
    )
    write_clip(file, model, recipe=recipe, overwrite=overwrite)
    state.unlink(missing_ok=True)
