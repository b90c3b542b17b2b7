"""`rs-adapt compare` as its users meet it: paired differences, and what cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from rs_adapt.metrics import scores_of
from rs_adapt.scores.intervals import paired_difference
from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from collections.abc import Callable

    Verb = Callable[..., tuple[Any, str, str]]


def as_json(shown: tuple[Any, str, str]) -> dict[str, Any]:
    code, out, err = shown
    assert (code, err) == (0, "")
    content: dict[str, Any] = json.loads(out)
    return content


def test_difference_is_b_minus_a_with_the_paired_interval(run_verb: Verb, write_run, stored) -> None:
    a, b = stored(), stored(seed=1, better=0.02)
    content = as_json(run_verb("compare", write_run("a", last=a), write_run("b", last=b), "--unit", "image", "--json"))
    order = np.argsort(np.array(a.tiles, dtype=object))
    found = paired_difference(a.counts_NKK[order], b.counts_NKK[order])
    scores_a, scores_b = (scores_of(run.total_KK(), run.classes) for run in (a, b))
    assert content["miou"]["points"] == round(scores_b.miou_pct - scores_a.miou_pct, 3)
    assert found.miou.interval is not None
    assert content["miou"]["low"] == round(found.miou.interval.low, 3)
    assert content["miou"]["high"] == round(found.miou.interval.high, 3)
    for name, difference in zip(a.classes, found.iou, strict=True):
        assert content["classes"][name]["points"] == round(scores_b.iou_pct[name] - scores_a.iou_pct[name], 3)
        assert difference.share_above is not None
        assert content["classes"][name]["share_above_pct"] == round(100 * difference.share_above, 3)


def test_the_sentences_below_the_table_are_right(run_verb: Verb, write_run, stored) -> None:
    a, better = write_run("a"), write_run("better", last=stored(better=0.1))
    code, out, err = run_verb("compare", a, better)
    assert (code, err) == (0, "")
    assert out.startswith("B is ")
    first = out.splitlines()[0]
    assert " points above A [+" in first
    assert first.endswith("95 %, over 12 scenes.")
    assert " points below A [-" in run_verb("compare", better, a)[1].splitlines()[0]
    code, out, _ = run_verb("compare", a, write_run("other", last=stored(seed=1)))
    assert code == 0
    assert out.startswith("The two cannot be told apart: ")
    assert "Intervals reflect the choice of the scored scenes, not that of the training seed." in out
    one = stored(scenes=("s",) * 24, cities=("",) * 24)
    lone = (
        write_run("lone", last=one),
        write_run("lone_better", last=replace(one, counts_NKK=stored(better=0.1).counts_NKK)),
    )
    assert "over 1 scene: too few for an interval." in run_verb("compare", *lone)[1]


def test_a_run_compared_with_itself_has_no_difference(run_verb: Verb, write_run: Callable[..., Path]) -> None:
    run = write_run("run")
    content = as_json(run_verb("compare", run, run, "--json"))
    assert content["sentence"] == "The two cannot be told apart: +0.0 [+0.0, +0.0], 95 %, over 12 scenes."
    assert (content["miou"]["points"], content["differ"]) == (0.0, [])


def test_order_of_the_tiles_does_not_matter(run_verb: Verb, write_run, stored) -> None:
    a, b = write_run("a"), stored(seed=1, better=0.02)
    order = np.random.default_rng(0).permutation(24)
    turned = PerImage(
        **{name: tuple(getattr(b, name)[index] for index in order) for name in ("tiles", "scenes", "cities")},
        classes=b.classes,
        counts_NKK=b.counts_NKK[order],
        facts=b.facts,
    )
    straight = as_json(run_verb("compare", a, write_run("b", last=b), "--json"))
    mixed = as_json(run_verb("compare", a, write_run("mixed", last=turned), "--json"))
    assert (straight["miou"], straight["classes"]) == (mixed["miou"], mixed["classes"])


def test_the_scoring_of_both_runs_and_its_differences_are_printed(run_verb: Verb, write_run, stored) -> None:
    b = stored(seed=1, facts={"iter": 200, "weights": "teacher"})
    out = run_verb("compare", write_run("a"), write_run("b", headline="oracle", oracle=b))[1]
    assert "A: " in out
    assert "protocol mine-1, last weights at iteration 400, student, slide" in out
    assert "oracle* weights at iteration 200" in out
    assert "The two scores were made in different ways: selection (last, oracle), weights (student, teacher)." in out
    same = run_verb("compare", write_run("c"), write_run("d", last=stored(seed=1)))[1]
    assert "different ways" not in same


def test_classes_and_ignored_ones(run_verb: Verb, write_run, stored) -> None:
    runs = write_run("a"), write_run("b", last=stored(seed=1))
    whole = as_json(run_verb("compare", *runs, "--json"))["classes"]
    five = as_json(run_verb("compare", *runs, "--classes", "no-clutter", "--json"))
    points = [facts["points"] for facts in five["classes"].values()]
    assert points == [facts["points"] for facts in whole.values()]
    assert five["miou"]["points"] == pytest.approx(sum(points[:5]) / 5, abs=0.002)
    assert "clutter" not in as_json(run_verb("compare", *runs, "--ignore", "clutter", "--json"))["classes"]


def changed(run: PerImage, what: str) -> PerImage:
    if what == "tiles":
        return replace(run, tiles=("new1", "new2", *run.tiles[2:]))
    if what == "classes":
        return replace(run, classes=(*run.classes[:5], "background"))
    if what == "split":
        return replace(run, facts=run.facts | {"split": "vaihingen val"})
    counts = run.counts_NKK.copy()
    counts[:3, 0, 0] += 1
    return replace(run, counts_NKK=counts)


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("tiles", "4 tiles are in one run only, such as area0_0: 24 are in"),
        ("classes", "class lists differ"),
        ("split", "splits differ: vaihingen test in"),
        ("labels", "3 of 24 tiles have different labels in the two runs, such as area0_0"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(run_verb: Verb, write_run, stored, what: str, match: str) -> None:
    code, out, err = run_verb("compare", write_run("a"), write_run("b", last=changed(stored(), what)))
    assert (code, out) == (2, "")
    assert match in err
    assert "rs-adapt eval" in err


def test_notes_of_both_results_are_printed(run_verb: Verb, write_run) -> None:
    a, b = write_run("a"), write_run("b")
    note = "Partial data: trained on 3 of 5464 tiles of loveda/rural/train."
    result = json.loads((b / "result.json").read_text())
    (b / "result.json").write_text(json.dumps(result | {"notes": [note]}))
    assert f"\nNote on B: {note}\n" in run_verb("compare", a, b)[1]
    content = as_json(run_verb("compare", a, b, "--json"))
    assert (content["a"]["notes"], content["b"]["notes"]) == ([], [note])


def test_scores_on_different_data_are_not_compared(run_verb: Verb, write_run, stored) -> None:
    runs = [
        write_run(f"{number}", last=replace(per_image, facts={**per_image.facts, **facts}))
        for number, facts in enumerate(({}, {"data_sha256": "a" * 64}, {"data_sha256": "b" * 64}))
        for per_image in (stored(),)
    ]
    # Older runs recorded none: what their matrices show is compared as before.
    assert run_verb("compare", runs[0], runs[1])[0] == 0
    code, out, err = run_verb("compare", runs[1], runs[2])
    assert (code, out) == (2, "")
    assert "were not the same when" in err
    assert "rs-adapt eval RUN" in err
