"""An evaluation states its conditions, and does not replace one that was made under others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Eval = Callable[..., tuple[Any, str, str]]


def test_an_evaluation_under_other_conditions_is_kept_beside_the_first(
    evaluate: Eval, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first, other = run / "eval/loveda_r2u-val", run / "eval/loveda_r2u-val-bf16"
    assert evaluate("--split", "val")[0] == 0
    before = (first / "result.json").read_bytes()
    code, out, _ = evaluate("--split", "val", "--precision", "bf16")
    assert code == 0
    assert (first / "result.json").read_bytes() == before
    result = json.loads((other / "result.json").read_text())
    assert (result["precision"], json.loads(before)["precision"]) == ("bf16", "fp32")
    assert result["environment"]["packages"]["torch"]
    # Both are told: the new one's precision, and the first one's score.
    lines = out.splitlines()
    assert ", in bf16. mIoU " in next(line for line in lines if line.startswith("Protocol"))
    also = next(line for line in lines if line.startswith("Also evaluated: "))
    assert f"mIoU {json.loads(before)['miou_pct']:.2f} % on loveda_r2u urban val, precision fp32, CPU" in also
    assert also.endswith(": run/eval/loveda_r2u-val")
    # The same again replaces its own.
    assert evaluate("--split", "val", "--precision", "bf16")[0] == 0
    assert sorted(path.name for path in (run / "eval").iterdir()) == ["loveda_r2u-val", "loveda_r2u-val-bf16"]
    # What an older version wrote without its precision is not taken for the same.
    old = {key: value for key, value in json.loads(before).items() if key != "precision"}
    (first / "result.json").write_text(json.dumps(old))
    assert evaluate("--split", "val")[0] == 0
    assert json.loads((run / "eval/loveda_r2u-val-2/result.json").read_text())["precision"] == "fp32"
    assert json.loads((first / "result.json").read_text()) == old
    # A folder that is asked for is no exception.
    code, out, err = evaluate("--split", "val", "--out", str(other))
    assert (code, out) == (2, "")
    assert "differs in precision (bf16, fp32); it would be replaced" in err
    code, out, err = evaluate("--split", "val", "--out", str(run))
    assert (code, out) == (2, "")
    assert "belongs to the run" in err
