"""Colour jitter and blur on a normalised batch: the augmentation of images with pseudo-labels."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.processes import generator, global_batch_size, local_slice
from rs_adapt.ranges import SHARE, check_ranges

# ITU-R BT.601 luma.
_LUMA = (0.299, 0.587, 0.114)


def strong_augment(
    image_B3HW: Tensor, *, mean_3: Tensor, std_3: Tensor, jitter: float, jitter_prob: float, blur_prob: float
) -> Tensor:
    """Jitter the colours of each image with one probability, and blur it with a second one.

    As DACS does with mixed images (arXiv 2007.08702, section 3.3, and its code): brightness, contrast, saturation and
    hue, each within +-`jitter`, and a Gaussian blur with a standard deviation of 0.15 to 1.15 px. Draws come from
    torch's global generator of the CPU, so they do not depend on the device.

    Args:
        image_B3HW: RGB images, normalised with `mean_3` and `std_3` (scale 0-255).
        mean_3: The mean of the normalisation, any shape of three values.
        std_3: The standard deviation of the normalisation, any shape of three values.
        jitter: Largest relative change of brightness, contrast and saturation, and of hue as a share of the circle;
            0 to 1.
        jitter_prob: Probability of jitter for each image, 0 to 1.
        blur_prob: Probability of blur for each image, 0 to 1.

    Raises:
        ConfigError: A number is out of its range.
    """
    check_ranges(
        "strong_augment", jitter=(jitter, SHARE), jitter_prob=(jitter_prob, SHARE), blur_prob=(blur_prob, SHARE)
    )
    mean, std = (value.to(image_B3HW).reshape(3, 1, 1) for value in (mean_3, std_3))
    images = []
    draws_of = [torch.rand(7, generator=generator()).tolist() for _ in range(global_batch_size(len(image_B3HW)))]
    # Under autocast, the hue rotation and the blur would round pixels to the 8 bits of bfloat16.
    with torch.autocast(image_B3HW.device.type, enabled=False):
        for image_3HW, draws in zip(image_B3HW, draws_of[local_slice(len(image_B3HW))], strict=True):
            if draws[0] < jitter_prob:
                factors = [jitter * (2 * draw - 1) for draw in draws[1:5]]
                pixels = colour_jitter((image_3HW * std + mean) / 255, *factors)
                image_3HW = (pixels * 255 - mean) / std
            if draws[5] < blur_prob:
                image_3HW = blur(image_3HW, sigma_px=0.15 + draws[6])
            images.append(image_3HW)
    return torch.stack(images)


def colour_jitter(rgb_3HW: Tensor, brightness: float, contrast: float, saturation: float, hue: float) -> Tensor:
    """Scale an image in [0, 1] by 1 + brightness, 1 + contrast and 1 + saturation, and turn its hue by full circles.

    Hue rotates about the grey axis of the YIQ space, a linear map that keeps luma; 0 everywhere changes nothing.
    """
    luma = torch.tensor(_LUMA).to(rgb_3HW, non_blocking=True).reshape(3, 1, 1)
    pixels = rgb_3HW * (1 + brightness)
    grey = (pixels * luma).sum(dim=0).mean()
    pixels = grey + (pixels - grey) * (1 + contrast)
    grey_1HW = (pixels * luma).sum(dim=0, keepdim=True)
    pixels = grey_1HW + (pixels - grey_1HW) * (1 + saturation)
    turned = torch.einsum("ij,jhw->ihw", _hue_matrix(hue).to(pixels, non_blocking=True), pixels)
    return turned.clamp(0, 1)


def _hue_matrix(hue: float) -> Tensor:
    to_yiq = torch.tensor([_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112)], dtype=torch.float64)
    c, s = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    turn = torch.tensor([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]], dtype=torch.float64)
    matrix: Tensor = torch.linalg.inv(to_yiq) @ turn @ to_yiq
    return matrix


def blur(image_3HW: Tensor, *, sigma_px: float) -> Tensor:
    """Blur with a Gaussian and mirrored borders; the kernel reaches three standard deviations."""
    reach = min(max(1, math.ceil(3 * sigma_px)), min(image_3HW.shape[-2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).to(image_3HW, non_blocking=True)
    padded = F.pad(image_3HW[:, None], (reach,) * 4, mode="reflect")
    rows = F.conv2d(padded, kernel.reshape(1, 1, -1, 1))
    return F.conv2d(rows, kernel.reshape(1, 1, 1, -1))[:, 0]
