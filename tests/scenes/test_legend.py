"""Colour legend: exact colours only, and what is off the legend is counted."""

from __future__ import annotations

import numpy as np
import pytest

from rs_adapt.errors import ConfigError
from rs_adapt.scenes import colours_to_classes, count_off_legend

ISPRS = {(0, 0, 0): 0, (255, 255, 255): 1, (0, 0, 255): 2, (0, 255, 255): 3, (0, 255, 0): 4, (255, 255, 0): 5}


def test_known_colours_become_their_values() -> None:
    rgb = np.array([[(255, 255, 255), (0, 0, 255)], [(255, 255, 0), (0, 0, 0)]], dtype=np.uint8)
    classes, num_off = colours_to_classes(rgb, ISPRS)
    assert classes.tolist() == [[1, 2], [5, 0]]
    assert classes.dtype == np.uint8
    assert num_off == 0


def test_one_step_off_is_not_the_colour() -> None:
    rgb = np.array([[(255, 255, 254), (0, 0, 255), (9, 9, 9), (9, 9, 9)]], dtype=np.uint8)
    classes, num_off = colours_to_classes(rgb, ISPRS, off_legend=255)
    assert classes.tolist() == [[255, 2, 255, 255]]
    assert num_off == 3
    assert count_off_legend(rgb, ISPRS) == [((9, 9, 9), 2), ((255, 255, 254), 1)]


def test_channel_order_matters() -> None:
    rgb = np.array([[(255, 0, 0)]], dtype=np.uint8)
    assert colours_to_classes(rgb, ISPRS)[1] == 1


def test_two_colours_may_share_a_value() -> None:
    rgb = np.array([[(1, 1, 1), (2, 2, 2)]], dtype=np.uint8)
    assert colours_to_classes(rgb, {(1, 1, 1): 4, (2, 2, 2): 4})[0].tolist() == [[4, 4]]


def test_bad_legends_are_refused() -> None:
    rgb = np.zeros((2, 2, 3), dtype=np.uint8)
    with pytest.raises(ConfigError, match="empty"):
        colours_to_classes(rgb, {})
    with pytest.raises(ConfigError, match="0-255"):
        colours_to_classes(rgb, {(0, 0, 256): 1})
