"""The settings of the nano CLIP's training."""

from __future__ import annotations

from dataclasses import dataclass

# Share of the steps over which the rate falls.
FALL = 0.25


@dataclass(frozen=True, kw_only=True)
class ClipRecipe:
    """All settings that the result depends on, apart from the machine.

    Attributes:
        seed: Seed of scenes, tiles, captions and dropped words.
        num_scenes: Drawn scenes, each in a style and a season of its own.
        scene_px: Side of a scene.
        steps: Training steps.
        batch_size: Tiles with captions a step; each caption is the contrast of the others.
        lr: Learning rate of AdamW after a linear rise over `warmup_steps`; over the last quarter of the steps it falls
            linearly to 0, so a state from before that quarter may be trained for more or fewer steps.
        image_lr_mult: Factor of the rate of the visual tower, which starts from trained blocks.
        frozen_blocks: First blocks of the visual tower that stay as they start, with the patch embedding.
        warmup_steps: Steps of the rise.
        weight_decay: Weight decay of matrices; vectors and the scale have none.
        clip_norm: Maximum norm of the gradient.
        dropped_words: Share of the captions' tokens that become "some word".
        text_dim: Dimensions of the space that images and texts share.
        text_width: Width of the text tower.
        text_depth: Blocks of the text tower.
    """

    seed: int
    num_scenes: int
    scene_px: int
    steps: int
    batch_size: int
    lr: float
    image_lr_mult: float
    frozen_blocks: int
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    dropped_words: float
    text_dim: int
    text_width: int
    text_depth: int


NANO_CLIP = ClipRecipe(
    seed=0,
    num_scenes=160,
    scene_px=256,
    steps=1500,
    batch_size=64,
    lr=1e-3,
    image_lr_mult=0.5,
    frozen_blocks=2,
    warmup_steps=50,
    weight_decay=0.1,
    clip_norm=1.0,
    dropped_words=0.03,
    text_dim=128,
    text_width=128,
    text_depth=4,
)


def rate_at(step: int, recipe: ClipRecipe) -> float:
    """Return the learning rate of a step, from 0."""
    rise = min(1.0, (step + 1) / max(recipe.warmup_steps, 1))
    return recipe.lr * rise * min(1.0, (recipe.steps - step) / (FALL * recipe.steps))
