"""Crops of synthetic scenes in random styles, with the material of every pixel (H/W pixels)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rs_adapt.datasets.synthetic import make_style_scene
from rs_adapt.pretraining.recipe import PretrainingRecipe
from rs_adapt.progress import OnProgress, no_progress

# Materials of pixels: seven of the ground, then those on top of it. Finer than the classes of any bench.
MATERIALS = (
    "paved", "lawn", "meadow", "crop", "forest", "soil", "ploughed", "road", "water", "crown", "building",
)  # fmt: skip
Crop = tuple[NDArray[np.float32], NDArray[np.int64]]


class StyleCrops:
    """Scenes in memory, and batches of augmented crops of them; batch n is a function of the seed and n.

    Args:
        recipe: Sizes, numbers and the seed.
        on_progress: Called after each scene.
    """

    def __init__(self, recipe: PretrainingRecipe, on_progress: OnProgress = no_progress) -> None:
        self.recipe = recipe
        self.images: list[NDArray[np.uint8]] = []
        self.materials: list[NDArray[np.uint8]] = []
        for number in range(recipe.num_scenes):
            image_HW3, material_HW = make_style_scene(seed=recipe.seed, number=number, size_px=recipe.scene_px)
            self.images.append(image_HW3)
            self.materials.append(material_HW)
            on_progress("drawing scenes", number + 1, recipe.num_scenes)

    def batch(self, number: int) -> Crop:
        """Return images (B, 3, crop_px, crop_px), RGB, float32 in 0-255, and materials (B, crop_px, crop_px), int64."""
        rng = np.random.default_rng((self.recipe.seed, number))
        crops = [self._crop(rng) for _ in range(self.recipe.batch_size)]
        return np.stack([image for image, _ in crops]), np.stack([material for _, material in crops])

    def _crop(self, rng: np.random.Generator) -> Crop:
        scene = int(rng.integers(len(self.images)))
        side_px, size = self.recipe.scene_px, (self.recipe.crop_px, self.recipe.crop_px)
        zoom = rng.uniform(*self.recipe.zoom)
        window_px = min(round(self.recipe.crop_px / zoom), side_px)
        y, x = (int(v) for v in rng.integers(0, side_px - window_px + 1, 2))
        window = slice(y, y + window_px), slice(x, x + window_px)
        smooth = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        image_HW3 = cv2.resize(self.images[scene][window], size, interpolation=smooth)
        material_HW = cv2.resize(self.materials[scene][window], size, interpolation=cv2.INTER_NEAREST)
        quarter_turns, is_mirrored = int(rng.integers(4)), rng.random() < 0.5
        image_HW3, material_HW = np.rot90(image_HW3, quarter_turns), np.rot90(material_HW, quarter_turns)
        if is_mirrored:
            image_HW3, material_HW = image_HW3[:, ::-1], material_HW[:, ::-1]
        image_3HW = restyle(rng, image_HW3.astype(np.float32)).transpose(2, 0, 1)
        return np.ascontiguousarray(image_3HW), np.ascontiguousarray(material_HW, dtype=np.int64)


def restyle(rng: np.random.Generator, image_HW3: NDArray[np.float32]) -> NDArray[np.float32]:
    """Change saturation, gamma, gain of each band and contrast of four images in five; float32 0-255 in and out."""
    if rng.random() >= 0.8:
        return image_HW3
    grey_HW1 = image_HW3.mean(axis=-1, keepdims=True)
    image = grey_HW1 + (image_HW3 - grey_HW1) * rng.uniform(0.4, 1.5)
    image = (image / 255).clip(1e-3, 1) ** rng.uniform(0.65, 1.5) * 255
    image = image * rng.uniform(0.75, 1.3) * rng.uniform(0.88, 1.12, 3)
    middle = image.mean()
    image = (image - middle) * rng.uniform(0.6, 1.4) + middle
    return np.asarray(image.clip(0, 255), dtype=np.float32)
