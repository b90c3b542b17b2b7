"""Averages over views of tiles: exact inverses, equal maps of models that do not mind, batches that fit."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.inference.views import VIEWS, Tta, View, predict_views

PATCH_PX = 8
SYMMETRIES = [view for views in VIEWS.values() for view in views if view.scale == 1.0]


def draw_inputs(num: int = 3, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(num, 3, height, width, generator=torch.Generator().manual_seed(0))


def model_of_pixels(inputs_N3HW: Tensor) -> Tensor:
    """Probabilities that depend on each pixel alone, and so turn with it."""
    return inputs_N3HW.softmax(dim=1)


def model_of_places(inputs_N3HW: Tensor) -> Tensor:
    """Probabilities that depend on the column, as those of a model that is not equivariant."""
    columns_W = torch.linspace(0, 1, inputs_N3HW.shape[-1])
    high_NHW = inputs_N3HW.mean(dim=1) * columns_W
    return torch.stack([high_NHW, 1 - high_NHW], dim=1)


@pytest.mark.parametrize("view", SYMMETRIES)
@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_symmetries_are_inverted_exactly(view: View, size: tuple[int, int]) -> None:
    inputs_N3HW = draw_inputs(2, *size)
    assert torch.equal(view.undo(view.show(inputs_N3HW, PATCH_PX), size), inputs_N3HW)


def test_the_views_are_all_different() -> None:
    corner = torch.arange(9.0).reshape(1, 1, 3, 3)
    for tta, num in (("flips", 4), ("d4", 8)):
        seen = {tuple(view.show(corner, 1).flatten().tolist()) for view in VIEWS[tta]}
        assert len(seen) == len(VIEWS[tta]) == num
    assert set(VIEWS) == set(get_args(Tta))


@pytest.mark.parametrize("tta", ["flips", "d4"])
def test_a_model_that_turns_with_the_tile_gives_the_same_map(tta: Tta) -> None:
    inputs_N3HW = draw_inputs()
    averaged_NKHW = predict_views(inputs_N3HW, model_of_pixels, tta=tta, patch_px=PATCH_PX)
    assert torch.allclose(averaged_NKHW, model_of_pixels(inputs_N3HW), atol=1e-6)


def test_the_average_is_over_the_views() -> None:
    inputs_N3HW = draw_inputs()
    averaged_NKHW = predict_views(inputs_N3HW, model_of_places, tta="flips", patch_px=PATCH_PX)
    # Up-down changes nothing here, so the mean is that of the tile and its mirror image.
    expected_NKHW = (model_of_places(inputs_N3HW) + model_of_places(inputs_N3HW.flip(-1)).flip(-1)) / 2
    assert torch.allclose(averaged_NKHW, expected_NKHW, atol=1e-6)


def test_scales_are_multiples_of_the_patch_and_come_back_to_the_tile() -> None:
    sides: list[int] = []

    def model(inputs_N3HW: Tensor) -> Tensor:
        sides.append(inputs_N3HW.shape[-1])
        return model_of_pixels(inputs_N3HW)

    smooth_N3HW = F.interpolate(draw_inputs(2, 4, 4), (48, 48), mode="bicubic")
    averaged_NKHW = predict_views(smooth_N3HW, model, tta="scales", patch_px=PATCH_PX)
    # 36 and 60 px lie between two multiples of the patch each; the enlarged tiles are seen singly.
    assert sides == [32, 48, 64, 64]
    assert averaged_NKHW.shape == smooth_N3HW.shape
    assert torch.allclose(averaged_NKHW.sum(dim=1), torch.ones(2, 48, 48), atol=1e-5)
    assert (averaged_NKHW - model_of_pixels(smooth_N3HW)).abs().max() < 0.05


@pytest.mark.parametrize("tta", get_args(Tta))
def test_no_view_holds_more_pixels_than_the_batch(tta: Tta) -> None:
    inputs_N3HW, pixels = draw_inputs(8), []

    def model(part_N3HW: Tensor) -> Tensor:
        pixels.append(part_N3HW[:, 0].numel())
        return model_of_pixels(part_N3HW)

    predict_views(inputs_N3HW, model, tta=tta, patch_px=PATCH_PX)
    assert max(pixels) <= inputs_N3HW[:, 0].numel()


def test_without_views_the_model_is_asked_once() -> None:
    inputs_N3HW = draw_inputs()
    assert torch.equal(
        predict_views(inputs_N3HW, model_of_places, tta=None, patch_px=PATCH_PX), model_of_places(inputs_N3HW)
    )
