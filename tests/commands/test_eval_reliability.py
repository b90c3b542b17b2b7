"""The calibration error of runs and evaluations, and evaluations that average views."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import rs_adapt as rsa
from rs_adapt.scores.per_image import PerImage

Verb = Callable[..., tuple[Any, str, str]]


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def test_a_run_measures_source_and_target_and_eval_measures_the_same(run: Path, evaluate: Verb, run_verb: Verb) -> None:
    result = read(run)
    measured = result["reliability"]
    assert {name: each["split"] for name, each in measured.items()} == {"test": "urban val", "source_val": "rural val"}
    file = result["selections"][result["headline"]]["confusions"]
    total_KK = PerImage.load(run / file).total_KK()
    bins = measured["test"]["bins"]
    assert (sum(each["pixels"] for each in bins), sum(each["right"] for each in bins)) == (
        total_KK.sum(),
        np.trace(total_KK),
    )
    code, out, _ = evaluate("--split", "val")
    assert code == 0
    scored = read(run / "eval/loveda_r2u-val")["reliability"]
    assert scored == {"val": measured["test"] | {"temperature": 1.0}}
    assert f"Calibration error (ECE): {measured['test']['ece_pct']:.2f} % on urban val" in out
    assert run_verb("verify", run)[0] == 0
    _, out, _ = run_verb("compare", run, run / "eval/loveda_r2u-val")
    error = f"{measured['test']['ece_pct']:.2f} %"
    assert f"Calibration error (ECE) on these tiles: A {error}, B {error}." in out
    # An error that its bins do not give, and bins that the matrices do not give.
    measured["source_val"]["ece_pct"] += 1
    measured["test"]["bins"][5]["right"] += 1
    (run / "result.json").write_text(json.dumps(result))
    code, out, _ = run_verb("verify", run)
    assert code == 1
    words = " ".join(out.split())
    assert "as reliability.source_val.ece_pct, but its bins give" in words
    assert "as reliability.test.bins, the sum of right," in words


def test_views_are_averaged_as_predict_averages_them(
    run: Path, evaluate: Verb, run_verb: Verb, loveda_root: Path
) -> None:
    code, out, _ = evaluate("--split", "val", "--tta", "flips")
    assert code == 0
    folder = run / "eval/loveda_r2u-val-flips"
    assert read(folder)["protocol"]["inference"]["tta"] == "flips"
    assert ", averaged over views (flips)" in out
    assert "Not compared with the stored result: this one averages views (flips)." in out
    stored, predictor = PerImage.load(folder / "confusions.npz"), rsa.load(run, device="cpu")
    for name, counts_KK in zip(stored.tiles, stored.counts_NKK, strict=True):
        tiles = loveda_root / "loveda/urban/val"
        image = np.asarray(Image.open(tiles / f"img_dir/{name}.png").convert("RGB"))
        # 0 is no label, and the classes follow.
        truth = np.asarray(Image.open(tiles / f"ann_dir/{name}.png")).astype(int) - 1
        labels = predictor.predict_tiles(image[None], tta="flips")[0].argmax(axis=0)
        pairs = truth[truth >= 0] * 7 + labels[truth >= 0]
        assert (np.bincount(pairs, minlength=49).reshape(7, 7) == counts_KK).all()
    _, out, _ = run_verb("compare", run, folder)
    assert "The two scores were made in different ways: inference" in out
    code, _, err = run_verb("score", folder, "--protocol", "strict")
    assert code == 2
    assert "averages no views" in err
    # The same again replaces its own, and nothing else.
    assert evaluate("--split", "val", "--tta", "flips")[0] == 0
    assert [path.name for path in (run / "eval").iterdir()] == [folder.name]


def test_an_unknown_kind_of_views_is_refused(run: Path, evaluate: Verb) -> None:
    code, _, err = evaluate("--tta", "twice")
    assert code == 2
    assert "flips" in err
    with pytest.raises(rsa.RsAdaptError, match="flips, d4, scales"):
        rsa.evaluate(run, tta="twice", device="cpu", progress=False)  # type: ignore[arg-type]
