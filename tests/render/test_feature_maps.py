"""Features as colours: known answers."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from rs_adapt.render.feature_maps import enlarge_to_png, heat_colours, pca_colours, update_norm_png


def test_the_first_component_is_red_and_grows_along_its_axis() -> None:
    # Tokens on a line, with a positive largest entry: one component holds all.
    line = np.arange(12)[:, None] * np.array([[2.0, -1.0, 0.5, 0.0]])
    (picture,), share = pca_colours([line], (3, 4))
    red = picture[..., 0].ravel().astype(int)
    assert picture.shape == (3, 4, 3)
    assert (np.diff(red) > 0).all()
    assert (red[0], red[-1]) == (0, 255)
    assert share == 1.0
    # The sign of the tokens' axis does not matter to the solver, but turns the colours.
    (turned,), _ = pca_colours([-line], (3, 4))
    assert np.array_equal(turned[..., 0].ravel(), red[::-1])


def test_streams_share_a_basis_and_a_scale() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(12, 8))
    (first, same, other), share = pca_colours([one, one, one + 1.0], (3, 4))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert 0 < share < 1


def test_equal_tokens_have_one_colour() -> None:
    (picture,), _ = pca_colours([np.ones((6, 5))], (2, 3))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1


def test_heat_runs_from_dark_to_bright() -> None:
    picture = heat_colours(np.array([[0.0, 1.0, 2.0]]), 0.0, 2.0).astype(int)
    brightness = picture.sum(axis=-1)[0]
    assert brightness[0] < brightness[1] < brightness[2]
    assert picture[0, 0].tolist() == [68, 1, 84]
    assert len(np.unique(heat_colours(np.ones((2, 2)), 1.0, 1.0).reshape(-1, 3), axis=0)) == 1


def test_a_patch_becomes_a_square() -> None:
    pixels = np.arange(24).reshape(2, 4, 3).astype(np.uint8)
    with Image.open(io.BytesIO(enlarge_to_png(pixels))) as image:
        assert image.size == (320, 160)
        shown = np.asarray(image)
    assert np.array_equal(shown, pixels.repeat(80, axis=0).repeat(80, axis=1))


def test_bars_follow_the_numbers() -> None:
    low, high = (update_norm_png({"a": [0.1, value]}) for value in (0.2, 0.4))
    assert low != high
