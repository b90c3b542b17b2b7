"""The nano CLIP by its recipe, and the file that the backbone `nano_clip` and the head `text` load."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from rs_adapt.config.facts import ConfigNode
from rs_adapt.pretraining.captioned import CAPTION_VERSION, CaptionedTiles
from rs_adapt.pretraining.captioned.vocabulary import training_ids
from rs_adapt.pretraining.files import write_tensors
from rs_adapt.pretraining.nano_clip.recipe import NANO_CLIP, ClipRecipe
from rs_adapt.pretraining.nano_clip.towers import NanoClip
from rs_adapt.pretraining.nano_clip.train import train_clip
from rs_adapt.progress import OnProgress, no_progress


def build_nano_clip(
    facts: ConfigNode,
    settings: ConfigNode,
    *,
    recipe: ClipRecipe = NANO_CLIP,
    device: str = "cpu",
    checkpoint: Path | None = None,
    on_progress: OnProgress = no_progress,
) -> NanoClip:
    """Train a CLIP of the nano's size on drawn tiles with captions.

    Args:
        facts: `backbone` of the backbone's config: `mean` and `std` are read.
        settings: `model.backbone` of the backbone's config: the sizes of the visual tower.
        recipe: Data, schedule and seed.
        device: "cpu", or a CUDA device.
        checkpoint: See `train_clip`.
        on_progress: Called with the stage, the steps done and the steps in all.

    Returns:
        The trained towers, on the CPU.

    Raises:
        NonFiniteLoss: See `train_clip`.
        WeightsError: See `train_clip`.
    """
    torch.manual_seed(recipe.seed)
    model = NanoClip(settings, recipe, training_ids())
    tiles = CaptionedTiles(
        seed=recipe.seed,
        split="train",
        num_scenes=recipe.num_scenes,
        scene_px=recipe.scene_px,
        on_progress=on_progress,
    )
    train_clip(
        model,
        tiles,
        recipe,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        device=torch.device(device),
        checkpoint=checkpoint,
        on_step=lambda done, total, loss: on_progress(f"training, loss {loss:.2f}", done, total),
    )
    return model.cpu()


def write_clip(path: Path, model: NanoClip, *, recipe: ClipRecipe, overwrite: bool = False) -> None:
    """Write both towers as fp16 safetensors with their recipe in the header; the file appears complete or not at all.

    Raises:
        OutputExists: The file exists, and `overwrite` is False.
        WeightsError: The file cannot be written.
    """
    write_tensors(
        path,
        model.tensors(),
        model="nano_clip",
        recipe=dataclasses.asdict(recipe),
        generator=CAPTION_VERSION,
        overwrite=overwrite,
    )
