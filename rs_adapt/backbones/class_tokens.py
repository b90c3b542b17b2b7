"""The last class token of a CLIP's visual tower, with prompts among its tokens or an adapter in its blocks.

Shapes: B images, N tokens, n prompts, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from rs_adapt.backbones.joint import adapted_block
from rs_adapt.backbones.vit import Vit
from rs_adapt.errors import ConfigError


def class_tokens(vit: Vit, x_B3HW: Tensor, prompts: Sequence[Tensor] = ()) -> Tensor:
    """Return the class tokens (B, D) after the last block, before the last norm.

    Args:
        vit: The visual tower; an adapter in it acts as on features of maps.
        x_B3HW: Normalised images; H and W are multiples of the patch.
        prompts: Prompts (n, D) or (B, n, D) at the input of block 0, 1, ...; they stand after the patches, those of a
            block replace those of the one before, and the last ones stay among the tokens to the end.

    Raises:
        ConfigError: There are prompts for more blocks than the tower has.
        DataError: The images do not divide into patches.
    """
    if len(prompts) > vit.depth:
        raise ConfigError(
            f"There are prompts for {len(prompts)} blocks, but the visual tower has {vit.depth}. Lower "
            "model.backbone.adapter.prompt_depth."
        )
    grid_hw = vit.grid(x_B3HW)
    with torch.no_grad() if vit.frozen and vit.adapter is None and not prompts else nullcontext():
        if vit.adapter is not None:
            vit.adapter.see(x_B3HW)
            if vit.adapter.needs_base_tokens:
                vit.adapter.prepare(lambda: vit.base_tokens(x_B3HW))
        x_BND, context = vit.embed(x_B3HW), vit.block_context(x_B3HW)
        own = x_BND.shape[1]
        for layer in range(vit.depth):
            if layer < len(prompts):
                prompts_BnD = prompts[layer].to(x_BND.dtype).expand(len(x_BND), -1, -1)
                x_BND = torch.cat([x_BND[:, :own], prompts_BnD], dim=1)
            x_BND = (
                vit.run_block(layer, x_BND, context) if prompts else adapted_block(vit, layer, x_BND, context, grid_hw)
            )
        if vit.adapter is not None:
            vit.adapter.see(None)
    return x_BND[:, 0]
