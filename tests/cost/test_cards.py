from __future__ import annotations

import pytest

from rs_adapt.cost.cards import CARDS_GIB, GIB, describe_bytes, describe_fit, fitting_cards, needed_bytes


def test_the_margins_are_those_of_the_device() -> None:
    assert needed_bytes(10 * GIB) == pytest.approx(11.5 * GIB)
    assert needed_bytes(10 * GIB, on_gpu=False) == pytest.approx(16 * GIB)


def test_a_card_fits_the_peak_with_its_margins() -> None:
    assert fitting_cards(GIB) == CARDS_GIB
    # 6.82 * 1.1 + 0.5 is above 8.
    assert fitting_cards(int(6.81 * GIB)) == CARDS_GIB
    assert fitting_cards(int(6.83 * GIB)) == CARDS_GIB[1:]
    assert describe_fit(40 * GIB) == "fits on cards of 48, 80 GB"
    assert (describe_bytes(GIB), describe_bytes(GIB // 2)) == ("1.0 GiB", "512 MiB")
    assert describe_fit(73 * GIB) == "does not fit on a card of 80 GB"
