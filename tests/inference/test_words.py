"""Names of classes given to `predict`: what is refused before a model is loaded, and what is remarked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

from rs_adapt.commands.predict import _split_names
from rs_adapt.config import compose, resolve_cell
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.inference.words import check_words, describe_words


@pytest.fixture(scope="module")
def cfg() -> Any:
    return compose(resolve_cell("synthetic-ov"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], r"--classes has 0 names\. Allowed: 1 to 254, separated by commas"),
        (["", "road"], r"--classes: a class is named ''; give every class a name to read"),
        (["Road", "road"], r"--classes: class holds a name twice: 'Road' and 'road'"),
        (["...", "road"], r"The class name '\.\.\.' holds no word that CLIP reads"),
        (["\u200b", "road"], r"holds no word that CLIP reads"),
        (["\u0301", "road"], r"holds no word that CLIP reads"),
        (["road|", "water"], r"The class name 'road\|' holds no word that CLIP reads"),
        (["<|startoftext|>", "road"], r"holds a mark of CLIP's own, <\|startoftext\|> or <\|endoftext\|>\. Remove it"),
        (["road\nstreet"], r"holds the control character U\+000A"),
        (["森" * 90], r"longer than the 77 tokens that CLIP reads, so its end would be lost"),
        ([f"thing {number}" for number in range(255)], r"--classes has 255 names"),
    ],
)
def test_names_that_mean_nothing_or_cannot_be_told_apart_are_refused(cfg: Any, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_words(cfg, words, Path("run"))


@pytest.mark.parametrize(
    "words",
    [["road"], ["森林", "Straße", "café"], ["🏠", "road"], ["5", "houses, roofs"], [f"w{n}" for n in range(80)]],
)
def test_names_of_any_language_and_number_pass(cfg: Any, words: list[str]) -> None:
    check_words(cfg, words, Path("run"))


def test_a_head_with_a_weight_for_each_class_is_refused() -> None:
    fixed = compose(resolve_cell("synthetic-dg"))
    with pytest.raises(IncompatibleCell, match=r"train with --head cost or --head text"):
        check_words(fixed, ["road"], Path("run"))


def test_words_that_the_text_tower_never_read_are_remarked(cfg: Any) -> None:
    assert describe_words(cfg, ["water", "road"]) == ()
    (remark,) = describe_words(cfg, ["water", "solar panel", "vegetation"])
    assert remark.startswith("nano_clip.safetensors was trained without 'panel' (in class 'solar panel')")
    random = compose(resolve_cell("synthetic-ov"), weights="random")
    assert describe_words(random, ["solar panel"]) == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("solar panel, road", ["solar panel", "road"]),
        ('"houses, roofs", road', ["houses, roofs", "road"]),
        ("road,,water", ["road", "", "water"]),
        ("", []),
    ],
)
def test_commas_separate_names_except_in_quotes(text: str, names: list[str]) -> None:
    assert _split_names(text) == names


@pytest.mark.parametrize("text", ['"houses, roofs', "road\nwater"])
def test_an_open_quotation_mark_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"Separate the names by commas, in one line"):
        _split_names(text)
