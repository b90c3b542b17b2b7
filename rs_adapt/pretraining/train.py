"""The training loop of a pre-training: one objective, one ViT, AdamW with a cosine.

Shapes: B batch, K materials, h/w grid of the finest feature level, H/W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rs_adapt.backbones import Dinov2
from rs_adapt.errors import NonFiniteLoss
from rs_adapt.heads import LinearHead
from rs_adapt.pretraining.crops import MATERIALS, StyleCrops
from rs_adapt.pretraining.recipe import PretrainingRecipe

OnStep = Callable[[int, int, float], None]


class MaterialObjective(nn.Module):
    """Supervised objective: classify the material of every pixel with a linear head, which is discarded afterwards.

    Args:
        vit: The backbone to train.
    """

    def __init__(self, vit: Dinov2) -> None:
        super().__init__()
        self.vit = vit
        self.head = LinearHead(in_channels=[vit.embed_dim] * len(vit.out_layers), num_classes=len(MATERIALS))

    def forward(self, image_B3HW: Tensor, material_BHW: Tensor) -> Tensor:
        """Return the mean cross entropy at half the resolution: with tokens of 8 px, a finer loss only costs time."""
        logits_BKhw = self.head(self.vit(image_B3HW)).float()
        halved_BHW = material_BHW[:, ::2, ::2]
        logits_BKHW = F.interpolate(logits_BKhw, size=halved_BHW.shape[-2:], mode="bilinear", align_corners=False)
        return F.cross_entropy(logits_BKHW, halved_BHW)


def pretrain(
    objective: nn.Module,
    crops: StyleCrops,
    recipe: PretrainingRecipe,
    *,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    device: torch.device,
    on_step: OnStep | None = None,
) -> None:
    """Train all parameters of an objective in place, in fp32.

    Args:
        objective: Called with normalised images (B, 3, H, W) and materials (B, H, W); returns a scalar loss.
        crops: Source of the batches.
        recipe: Steps, rates and sizes.
        mean: Mean that is subtracted from RGB in 0-255.
        std: Standard deviation that the difference is divided by.
        device: Device to train on.
        on_step: Called with (steps done, steps in all, loss).

    Raises:
        NonFiniteLoss: The loss became NaN or infinite.
    """
    objective.to(device).train()
    parameters = list(objective.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    shift, scale = (torch.tensor(values, device=device).reshape(3, 1, 1) for values in (mean, std))
    with ThreadPoolExecutor(max_workers=1) as loader:
        next_batch = loader.submit(crops.batch, 0)
        for step in range(recipe.steps):
            images, materials = next_batch.result()
            next_batch = loader.submit(crops.batch, step + 1)
            # Random draws of a step (masks) depend on its number alone.
            torch.manual_seed(recipe.seed * 1_000_003 + step)
            optimizer.param_groups[0]["lr"] = learning_rate(step, recipe)
            image_B3HW = (torch.from_numpy(images).to(device) - shift) / scale
            loss = objective(image_B3HW, torch.from_numpy(materials).to(device))
            if not bool(torch.isfinite(loss)):
                raise NonFiniteLoss(
                    f"The loss of pre-training is {loss.item()} in step {step + 1}; no file is written."
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
            optimizer.step()
            if on_step:
                on_step(step + 1, recipe.steps, loss.item())


def learning_rate(step: int, recipe: PretrainingRecipe) -> float:
    """Return the learning rate of a step (from 0): a linear rise, times a cosine from 1 to 0 over all steps."""
    rise = min(1.0, (step + 1) / max(recipe.warmup_steps, 1))
    return recipe.lr * rise * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))
