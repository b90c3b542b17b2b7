"""Strong augmentation: known colours, hue that keeps luma, blur that keeps the mean, and draws of its own per image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.strategies import strong_augment
from rs_adapt.strategies.strong_augment import blur, colour_jitter

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
LUMA = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
NO_CHANGE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


def colours(low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(3, 8, 8)


def normalised(pixels_B3HW: Tensor) -> Tensor:
    return (pixels_B3HW * 255 - MEAN.view(3, 1, 1)) / STD.view(3, 1, 1)


def augment(image: Tensor, **changes: Any) -> Tensor:
    settings = {"mean_3": MEAN, "std_3": STD, "jitter": 0.2, "jitter_prob": 0.0, "blur_prob": 0.0}
    return strong_augment(image, **settings | changes)


def test_no_jitter_is_the_identity() -> None:
    image = colours()
    torch.testing.assert_close(colour_jitter(image, **NO_CHANGE), image, atol=1e-6, rtol=0)
    batch = normalised(torch.stack([colours(), colours()]))
    torch.testing.assert_close(augment(batch, jitter=0.0, jitter_prob=1.0), batch, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"brightness": 0.2}, [0.24, 0.72]),
        ({"brightness": 0.5}, [0.3, 0.9]),
        # About the mean of 0.4.
        ({"contrast": 0.5}, [0.2 - 0.1, 0.6 + 0.1]),
        ({"contrast": -1.0}, [0.4, 0.4]),
        # Brightness first: about the mean of 0.6.
        ({"brightness": 0.5, "contrast": 0.2}, [0.3 - 0.06, 0.9 + 0.06]),
        # Grey has no colour to change.
        ({"saturation": 0.7}, [0.2, 0.6]),
        ({"hue": 0.3}, [0.2, 0.6]),
    ],
)
def test_grey_pixels_have_known_answers(change: dict[str, float], expected: list[float]) -> None:
    grey = torch.tensor([0.2, 0.6]).view(1, 1, 2).expand(3, 1, 2)
    want = torch.tensor(expected).view(1, 1, 2).expand(3, 1, 2)
    torch.testing.assert_close(colour_jitter(grey, **NO_CHANGE | change), want, atol=1e-5, rtol=0)


def test_saturation_moves_from_and_to_the_luma_of_each_pixel() -> None:
    image = colours(0.3, 0.6)
    luma = (image * LUMA).sum(dim=0, keepdim=True)
    torch.testing.assert_close(colour_jitter(image, **NO_CHANGE | {"saturation": -1.0}), luma.expand(3, -1, -1))
    torch.testing.assert_close(colour_jitter(image, **NO_CHANGE | {"saturation": 0.5}), luma + 1.5 * (image - luma))


@pytest.mark.parametrize("hue", [0.1, -0.2, 0.5])
def test_hue_rotates_colours_and_preserves_luma(hue: float) -> None:
    image = colours(0.4, 0.6)
    turned = colour_jitter(image, **NO_CHANGE | {"hue": hue})
    assert (turned - image).abs().max() > 0.02
    torch.testing.assert_close((turned * LUMA).sum(dim=0), (image * LUMA).sum(dim=0), atol=1e-4, rtol=0)
    back = colour_jitter(turned, **NO_CHANGE | {"hue": -hue})
    torch.testing.assert_close(back, image, atol=1e-5, rtol=0)


def test_half_a_turn_of_hue_makes_the_complement() -> None:
    red = torch.tensor([0.6, 0.5, 0.5]).view(3, 1, 1)
    grey = (red * LUMA).sum()
    turned = colour_jitter(red, **NO_CHANGE | {"hue": 0.5})
    torch.testing.assert_close(turned, 2 * grey - red, atol=1e-5, rtol=0)


def test_pixels_stay_in_range() -> None:
    image = colour_jitter(colours(), brightness=0.9, contrast=0.9, saturation=0.9, hue=0.1)
    assert (image.min(), image.max()) == (0, 1)


@pytest.mark.parametrize("sigma_px", [0.15, 0.5, 1.15])
def test_blur_preserves_a_constant_image_and_the_sum_of_an_impulse(sigma_px: float) -> None:
    flat = torch.full((3, 9, 11), 0.7)
    torch.testing.assert_close(blur(flat, sigma_px=sigma_px), flat)
    impulse = torch.zeros(3, 15, 15)
    impulse[:, 7, 7] = 1.0
    spread = blur(impulse, sigma_px=sigma_px)
    torch.testing.assert_close(spread.sum(dim=(1, 2)), torch.ones(3))
    torch.testing.assert_close(spread, spread.transpose(1, 2))
    torch.testing.assert_close(spread, spread.flip(1))
    # Neighbours in the ratio of the Gaussian; diagonally twice as far in its exponent.
    beside, across = spread[0, 7, 8] / spread[0, 7, 7], spread[0, 8, 8] / spread[0, 7, 7]
    expected = torch.exp(torch.tensor(-0.5 / sigma_px**2))
    torch.testing.assert_close(torch.stack([beside, across]), torch.stack([expected, expected**2]))


@pytest.mark.parametrize("size", [(1, 5), (2, 2)])
def test_blur_of_an_image_smaller_than_its_kernel(size: tuple[int, int]) -> None:
    assert torch.isfinite(blur(torch.rand(3, *size), sigma_px=1.15)).all()


@pytest.mark.parametrize(("jitter_prob", "blur_prob"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_probabilities_of_nothing_and_of_all(jitter_prob: float, blur_prob: float) -> None:
    batch = normalised(torch.stack([colours(0.3, 0.6) for _ in range(8)]))
    changed = (augment(batch, jitter_prob=jitter_prob, blur_prob=blur_prob) != batch).flatten(1).any(dim=1)
    assert changed.all() == changed.any() == bool(jitter_prob or blur_prob)


def test_the_share_of_changed_images_is_the_probability() -> None:
    batch = normalised(torch.rand(1, 3, 2, 2) / 2 + 0.2).expand(600, -1, -1, -1)
    changed = (augment(batch, jitter_prob=0.2) != batch).flatten(1).any(dim=1)
    # One standard deviation is 0.016.
    assert changed.float().mean().item() == pytest.approx(0.2, abs=0.06)


def test_images_draw_on_their_own_and_by_the_seed() -> None:
    batch = normalised(colours(0.3, 0.6)).expand(4, -1, -1, -1)
    torch.manual_seed(5)
    first = augment(batch, jitter_prob=1.0, blur_prob=0.5)
    assert len({tuple(image.flatten().tolist()) for image in first}) == 4
    torch.manual_seed(5)
    assert torch.equal(augment(batch, jitter_prob=1.0, blur_prob=0.5), first)


def test_factors_stay_within_the_jitter() -> None:
    # Of a grey image only brightness is left: at most a fifth up or down, in the scale of the pixels.
    grey = normalised(torch.full((200, 3, 2, 2), 0.5))
    pixels = augment(grey, jitter_prob=1.0) * STD.view(3, 1, 1) + MEAN.view(3, 1, 1)
    factors = pixels[:, 0, 0, 0] / 127.5
    assert 0.8 <= factors.min() < 0.83
    assert 1.17 < factors.max() <= 1.2 + 1e-6


def test_autocast_does_not_coarsen_the_image() -> None:
    batch = normalised(torch.stack([colours(), colours()]))
    torch.manual_seed(2)
    plain = augment(batch, jitter_prob=1.0, blur_prob=1.0)
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = augment(batch, jitter_prob=1.0, blur_prob=1.0)
    assert torch.equal(mixed, plain)
