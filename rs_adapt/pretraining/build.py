"""Pre-training by a recipe, and the file of weights that the backbone `dinov2_nano` loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from rs_adapt.backbones import Dinov2
from rs_adapt.config.facts import ConfigNode
from rs_adapt.datasets.synthetic import STYLE_GENERATOR_VERSION
from rs_adapt.pretraining.crops import StyleCrops
from rs_adapt.pretraining.files import write_tensors
from rs_adapt.pretraining.recipe import NANO, PretrainingRecipe
from rs_adapt.pretraining.train import MaterialObjective, pretrain
from rs_adapt.progress import OnProgress, no_progress

# Blocks that start near the identity train faster; a frozen random ViT, which is never trained, has all ones.
_LAYER_SCALE = 0.3


def build_nano(
    facts: ConfigNode,
    settings: ConfigNode,
    *,
    recipe: PretrainingRecipe = NANO,
    device: str = "cpu",
    objective: Callable[[Dinov2], nn.Module] = MaterialObjective,
    on_progress: OnProgress = no_progress,
) -> Dinov2:
    """Pre-train a ViT of the nano's size from its seeded random weights.

    Args:
        facts: `backbone` of the backbone's config: `mean` and `std` are read.
        settings: `model.backbone` of the backbone's config: the sizes of the ViT.
        recipe: Data, schedule and seed.
        device: "cpu", or a CUDA device.
        objective: Builds the module that computes the loss from the ViT.
        on_progress: Called with the stage, the steps done and the steps in all.

    Returns:
        The trained ViT, on the CPU.

    Raises:
        NonFiniteLoss: See `pretrain`.
    """
    sizes = {key: value for key, value in settings.items() if key != "type"}
    # The finest level is not enlarged: bilinear enlarging adds no information.
    scales = [min(1.0, scale) for scale in sizes.pop("level_scales")]
    vit = Dinov2(**sizes, level_scales=scales, frozen=False, weights="random")
    with torch.no_grad():
        for name, parameter in vit.named_parameters():
            if "layer_scale" in name:
                parameter.fill_(_LAYER_SCALE)
    torch.manual_seed(recipe.seed)
    module = objective(vit)
    crops = StyleCrops(recipe, on_progress)
    pretrain(
        module,
        crops,
        recipe,
        mean=tuple(facts["mean"]),
        std=tuple(facts["std"]),
        device=torch.device(device),
        on_step=lambda done, total, loss: on_progress(f"training, loss {loss:.2f}", done, total),
    )
    return vit.cpu()


def write_weights(path: Path, vit: Dinov2, *, recipe: PretrainingRecipe, overwrite: bool = False) -> None:
    """Write a ViT as fp16 safetensors with its recipe in the header; the file appears complete or not at all.

    Raises:
        OutputExists: The file exists, and `overwrite` is False.
        WeightsError: The file cannot be written.
    """
    # Named as in transformers, one of the layouts that `load_state` reads.
    tensors = {name: value.detach().half().contiguous() for name, value in vit.state_dict().items()}
    write_tensors(
        path,
        tensors,
        model="dinov2_nano",
        recipe=dataclasses.asdict(recipe),
        generator=STYLE_GENERATOR_VERSION,
        overwrite=overwrite,
    )
