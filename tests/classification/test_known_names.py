"""Which class names of the drawn benches nano-clip can read, and that a run states it."""

from __future__ import annotations

import pytest

from rs_adapt.config.axes import bench_facts
from rs_adapt.config.cell import resolve
from rs_adapt.config.class_groups import class_groups
from rs_adapt.config.compose import compose
from rs_adapt.engine.text_weights import check_texts
from rs_adapt.language.token_rows import unknown_words
from rs_adapt.pretraining.captioned.vocabulary import training_ids


def test_novel_names_are_held_out_of_the_words_of_nano_clip() -> None:
    known_R = training_ids()
    groups = class_groups(bench_facts("synthetic_classes"), "b2n")
    assert (len(groups.trained), len(groups.left_out)) == (7, 7)
    assert {name: unknown_words(known_R, name) for name in groups.trained} == dict.fromkeys(groups.trained, ())
    assert all(unknown_words(known_R, name) for name in groups.left_out)
    # The bench of known names is the base of this one.
    assert tuple(bench_facts("synthetic_classes_known")["classes"]) == groups.trained


@pytest.mark.parametrize(
    ("bench", "parts"),
    [
        (
            "synthetic-b2n",
            (
                "trained without words of 7 of 14 class names (crossroads, harbour, lake, orchard, parking lot, ",
                "knows the words of 7 of 7 base classes and of 0 of 7 novel ones",
            ),
        ),
        ("synthetic-classes-style-dg", ("trained without words of 7 of 14 class names",)),
        ("synthetic-classes-known-b2n", ()),
    ],
)
def test_a_run_states_the_names_that_its_clip_cannot_read(bench: str, parts: tuple[str, ...]) -> None:
    notes = check_texts(compose(resolve(bench)))
    assert len(notes) == bool(parts)
    assert all(part in notes[0] for part in parts)
    assert all("base classes" not in note for note in notes) or bench == "synthetic-b2n"


def test_a_clip_with_every_word_or_without_weights_has_no_note() -> None:
    assert check_texts(compose(resolve("rsscn7-b2n"), weights="random")) == ()
