"""EVA: where LoRA's A starts, from the images of a training (Paischer et al., 2024, https://arxiv.org/abs/2410.07170).

A starts as the main directions of the inputs of its layer, found by peft's incremental principal component analysis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError


def eva_options(kind: str, options: ConfigNode) -> ConfigNode:
    """Return options of LoRA for a start by EVA in which every layer keeps its rank.

    Args:
        kind: Kind of method, for messages.
        options: Options of peft's `LoraConfig`.

    Raises:
        ConfigError: Layers would have ranks of their own.
    """
    given = options.get("eva_config") or {}
    if isinstance(given, Mapping) and given.get("rho", 1) != 1:
        raise ConfigError(
            f"peft:{kind}: eva_config.rho is {given['rho']!r}: ranks would move between layers by the images, and the "
            "number of parameters would not be known before the training. Leave it out, or set it to 1."
        )
    if options.get("rank_pattern"):
        raise ConfigError(f"peft:{kind}: EVA gives all layers one rank here. Leave rank_pattern out.")
    return {**options, "eva_config": {**given, "rho": 1.0} if isinstance(given, Mapping) else given}


def eva_directions(
    vit: nn.Module, layers: Mapping[str, nn.Module], config: Any, images: Sequence[Tensor]
) -> dict[str, Tensor]:
    """Return A (R, in) of each layer: the first R principal directions of its inputs.

    Peft looks at the images again and again until the directions of all layers stay. Of several processes each brings
    its own images and gets the same directions.

    Args:
        vit: The ViT, with the layers in it.
        layers: Linear layers by any name.
        config: Peft's `LoraConfig`, with `eva_config`.
        images: Batches of normalised images (B, 3, H, W), at least one, with more than R tokens each.
    """
    from peft.tuners.lora.eva import get_eva_state_dict

    names = {id(module): name for name, module in vit.named_modules()}
    places = {name: names[id(layer)] for name, layer in layers.items()}
    before = config.target_modules
    try:
        config.target_modules = set(places.values())
        # Peft seeds torch's generator.
        with torch.random.fork_rng(), torch.no_grad():
            directions: dict[str, Tensor] = get_eva_state_dict(
                vit,
                list(images),
                peft_config=config,
                forward_fn=lambda model, batch: model(batch),
                prepare_model_inputs_fn=None,
                prepare_layer_inputs_fn=None,
                show_progress_bar=False,
            )
    finally:
        config.target_modules = before
    return {name: directions[place] for name, place in places.items()}
