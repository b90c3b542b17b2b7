"""The settings of a pre-training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """All settings that the result depends on, apart from the machine.

    Attributes:
        seed: Seed of scenes, crops, head and masks.
        num_scenes: Synthetic scenes, each in a style of its own.
        scene_px: Side of a scene.
        crop_px: Side of a crop, the network's input.
        zoom: Smallest and largest factor by which a crop is enlarged before it is used.
        steps: Training steps.
        batch_size: Crops a step.
        lr: Peak of the learning rate; AdamW, linear rise over `warmup_steps`, then a cosine down to 0.
        warmup_steps: Steps of the rise.
        weight_decay: Weight decay of all weights.
        clip_norm: Maximum norm of the gradient.
    """

    seed: int
    num_scenes: int
    scene_px: int
    crop_px: int
    zoom: tuple[float, float]
    steps: int
    batch_size: int
    lr: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float


# 16 crops x 1500 steps = 24 000 crops of 600 scenes.
NANO = PretrainingRecipe(
    seed=0,
    num_scenes=600,
    scene_px=384,
    crop_px=128,
    zoom=(0.6, 1.7),
    steps=1500,
    batch_size=16,
    lr=1e-3,
    warmup_steps=100,
    weight_decay=0.05,
    clip_norm=1.0,
)
