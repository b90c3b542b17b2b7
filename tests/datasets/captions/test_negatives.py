"""Negatives by rule: what each rule gives, that none equals its caption, and that draws depend on the sample alone."""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_adapt.datasets.captions import negatives as rules
from rs_adapt.datasets.captions.lexicon import read_lexicon
from rs_adapt.datasets.captions.negatives import make_negatives, sample_draws
from rs_adapt.datasets.captions.parsing import normalized, parse_caption
from rs_adapt.errors import ConfigError, DataError

LEXICON = read_lexicon()
BRIDGE = "An old bridge over a wide river, left of two red cars."
KNOWN = sorted(LEXICON.entries)


def apply(rule: rules._Rule, caption: str) -> set[str]:
    return set(rule(parse_caption(caption, LEXICON), LEXICON, random.Random(0)))


def test_a_caption_is_parsed_into_nouns_and_the_adjectives_of_each() -> None:
    parsed = parse_caption(BRIDGE, LEXICON)
    assert [span.entry.text for span in parsed.nouns] == ["bridge", "river", "cars"]
    described = [(span.entry.text, parsed.nouns[span.noun or 0].entry.text) for span in parsed.adjectives]
    assert described == [("old", "bridge"), ("wide", "river"), ("two", "cars"), ("red", "cars")]
    assert parsed.render({}) == BRIDGE


def test_the_longest_noun_wins_and_a_word_of_two_kinds_is_read_by_its_place() -> None:
    parsed = parse_caption("an orange on a tennis court beside an orange car", LEXICON)
    assert [span.entry.text for span in parsed.nouns] == ["orange", "tennis court", "car"]
    assert [span.entry.text for span in parsed.adjectives] == ["orange"]


def test_nouns_are_exchanged_and_articles_follow() -> None:
    # Singular and plural do not change places.
    assert apply(rules.swap_nouns, BRIDGE) == {"An old river over a wide bridge, left of two red cars."}
    assert apply(rules.swap_nouns, "a car left of an airport") == {"an airport left of a car"}


@pytest.mark.parametrize("caption", ["a tree next to a house", "a tree and a house", "a red car near a red truck"])
def test_an_exchange_that_says_the_same_is_left_out(caption: str) -> None:
    assert apply(rules.swap_nouns, caption) == set()


def test_adjectives_are_exchanged_between_different_nouns() -> None:
    assert apply(rules.swap_adjectives, BRIDGE) == {
        "A wide bridge over an old river, left of two red cars.",
        "A red bridge over a wide river, left of two old cars.",
        "An old bridge over a red river, left of two wide cars.",
    }
    assert apply(rules.swap_adjectives, "two cars and three trucks") == {"three cars and two trucks"}
    assert apply(rules.swap_adjectives, "a small car and a large car") == set()


def test_replaced_words_come_from_the_group_and_are_not_in_the_caption() -> None:
    others = apply(rules.replace_adjective, "a red car and a blue bus")
    colours = {entry.text for forms in LEXICON.entries.values() for entry in forms if entry.group == "colour"}
    wanted = colours - {"red", "blue"}
    articles = {colour: "an" if colour[0] in "aeiou" else "a" for colour in wanted}
    assert others == {f"{articles[c]} {c} car and a blue bus" for c in wanted} | {
        f"a red car and {articles[c]} {c} bus" for c in wanted
    }
    assert "a river" not in apply(rules.replace_noun, "a river beside a lake")
    assert apply(rules.replace_noun, "many sheep")  # one form for both numbers


def test_reshuffled_captions_have_the_same_words_and_punctuation() -> None:
    for text in apply(rules.reshuffle, BRIDGE):
        assert sorted(normalized(text).split()) == sorted(normalized(BRIDGE).split())
        assert text.endswith(".")


def test_the_four_slots_are_filled_in_turn() -> None:
    shuffled, exchanged, adjective, noun = make_negatives(BRIDGE, 4, sample_draws(0, "a"))
    assert sorted(normalized(shuffled).split()) == sorted(normalized(BRIDGE).split())
    assert exchanged in apply(rules.swap_nouns, BRIDGE) | apply(rules.swap_adjectives, BRIDGE)
    assert adjective in apply(rules.replace_adjective, BRIDGE)
    assert noun in apply(rules.replace_noun, BRIDGE)


def test_draws_depend_on_seed_and_sample_alone() -> None:
    first = [make_negatives(BRIDGE, 4, sample_draws(0, key)) for key in ("a", "b")]
    assert make_negatives(BRIDGE, 4, sample_draws(0, "a")) == first[0] != first[1]
    assert make_negatives(BRIDGE, 4, sample_draws(1, "a")) != first[0]
    # Fixed, because samples of a resumed run must be those of the interrupted one, also on a different machine.
    assert make_negatives("a red car left of a tall tower", 4, sample_draws(0, "x"))[1:] == [
        "a tall car left of a red tower",
        "a white car left of a tall tower",
        "a red car left of a tall factory",
    ]


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(
        st.one_of(st.sampled_from(KNOWN), st.sampled_from(["a", "and", "left of", "zyx", ",", "A"])),
        min_size=1,
        max_size=9,
    ),
    count=st.integers(1, 6),
    seed=st.integers(0, 99),
)
def test_no_negative_equals_its_caption(words: list[str], count: int, seed: int) -> None:
    caption = " ".join(words)
    try:
        made = make_negatives(caption, count, sample_draws(seed, caption))
    except DataError:
        # One unknown word, or the same word several times.
        assert len(set(normalized(caption).split()) - {","}) <= 1
        return
    assert len(made) == count
    assert all(normalized(text) != normalized(caption) for text in made)


def test_few_possible_texts_repeat() -> None:
    assert make_negatives("zyx wvu", 3, sample_draws(0, "a")) == ["wvu zyx"] * 3
    assert make_negatives("zyx wvu", 0, sample_draws(0, "a")) == []
    with pytest.raises(DataError, match="No negative can be made of the caption 'zyx'"):
        make_negatives("zyx", 1, sample_draws(0, "a"))


def test_negatives_of_a_file_are_checked() -> None:
    assert rules.check_negatives("a car", ["a bus", "a van", "cars"], 2, place="x.csv, line 2") == ("a bus", "a van")
    with pytest.raises(DataError, match=r"x\.csv, line 2: 1 negatives .* asks for 2.*captions\.negatives=1"):
        rules.check_negatives("a car", ["a bus"], 2, place="x.csv, line 2")
    for bad in (" ", "A  Car"):
        with pytest.raises(DataError, match="empty or equal to its caption"):
            rules.check_negatives("a car", [bad], 1, place="x.csv, line 2")


def test_only_a_marked_function_makes_negatives(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_negatives")

    @rules.negative_maker
    def make(caption: str, count: int, draw: random.Random) -> Sequence[str]:
        return [f"no {caption}"] * count

    module.make = make  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_negatives", module)
    assert rules.load_maker("own_negatives:make")("car", 2, random.Random(0)) == ["no car", "no car"]
    with pytest.raises(ConfigError, match="is no maker of negatives: decorate"):
        rules.load_maker("os:system")
    with pytest.raises(ConfigError, match="cannot be imported"):
        rules.load_maker("own_negatives:other")
    with pytest.raises(ConfigError, match="write MODULE:FUNCTION"):
        rules.load_maker("own_negatives")


def test_a_lexicon_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.toml"
    path.write_text('[nouns]\nroof = ["gable roof", "flat roof"]\n[plurals]\n"flat roof" = "flat rooves"\n')
    lexicon = read_lexicon(path)
    assert make_negatives("gable roof", 2, random.Random(0), lexicon=lexicon) == ["roof gable", "flat roof"]
    assert "flat rooves" in lexicon.entries
    for text, message in (
        ("[verbs]\na = []", "table 'verbs' is unknown"),
        ("[nouns]\na = ['A']", r"nouns\.a must be a list of words"),
        ("[nouns]\na = ['b', 'b']", "stands twice"),
        ("nouns = 3", "nouns must be a table"),
        ("[plurals]\na = 3", "plurals must have a word"),
        ("[nouns", "no TOML"),
    ):
        path = tmp_path / f"{abs(hash(text))}.toml"
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_lexicon(path)
    with pytest.raises(ConfigError, match="There is no lexicon"):
        read_lexicon(tmp_path / "none.toml")


def test_the_words_of_a_group_exclude_each_other_in_the_shipped_lexicon() -> None:
    for forms in LEXICON.entries.values():
        groups = [(entry.kind, entry.group) for entry in forms if not entry.plural]
        assert len(groups) == len(set(groups))
    assert {entry.group for forms in LEXICON.entries.values() for entry in forms} >= LEXICON.counting
