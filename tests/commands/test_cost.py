"""`rs-adapt cost` as its users meet it: what is counted, what is listed, what it refuses and what it leaves on disk."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main
from rs_adapt.config import axes
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Cost = Callable[..., tuple[Any, str, str]] if TYPE_CHECKING else Any

FILES = {"cost.json", "cost.csv", "cost.md", "cost.svg"}


@pytest.fixture
def cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cost:
    """Return a function that compares methods on tiny crops and gives the exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    small = ("--set", "bench.crop_px=32", "--set", "bench.tile_px=32", "--rounds", "2", "--warmup", "1")

    def run(*arguments: str) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["cost", "--bench", "synthetic-da", *small, "--weights", "random", "--device", "cpu", *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


def shown_cost(method: str, capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    with pytest.raises(SystemExit):
        main(["show", "--bench", "synthetic-da", "--method", method, "--cost", "--json"])
    counts: dict[str, int] = json.loads(capsys.readouterr().out)
    return counts


def test_costs_are_counted_measured_and_saved(cost: Cost, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = cost("--methods", "full,earth-adapter")
    assert code == 0
    folder = tmp_path / "work_dirs" / "cost" / "synthetic-da"
    assert {path.name for path in folder.iterdir()} == FILES
    content = json.loads((folder / "cost.json").read_text())
    rows = {row["method"]: row for row in content["methods"]}
    # Not asked for, and first all the same.
    assert list(rows) == ["frozen", "full", "earth_adapter"]
    assert set(rows["frozen"]["relative"].values()) == {1.0}
    for method, row in rows.items():
        counts = shown_cost(method, capsys)
        assert row["parameters"]["head"] == counts["trainable head parameters"]
        assert sum(row["parameters"].values()) == counts["trainable parameters in all"]
        # The file's header comes on top: names and shapes.
        assert 0 < row["pack_bytes"] - counts["adapter pack bytes"] < 200 * 300
        assert len(row["train_ms"]["rounds"]) == len(row["infer_ms"]["rounds"]) == 2
        assert row["train_ms"]["median"] > 0
    assert (
        rows["earth_adapter"]["parameters"]["backbone"]
        == shown_cost("earth-adapter", capsys)["trainable adapter parameters"]
    )
    # Weights, gradients and two averages of AdamW: 12 bytes more for each number that trains, and kept tensors.
    for method in ("full", "earth_adapter"):
        more = rows[method]["memory_bytes"] - rows["frozen"]["memory_bytes"]
        assert more > 12 * rows[method]["parameters"]["backbone"]
    assert f"{rows['full']['parameters']['backbone']:,}".replace(",", " ") in out
    assert "cost of methods: synthetic-da / dinov2-nano / linear" in out
    assert err.splitlines()[-1] == "rounds of inference: 3"


def test_a_comparison_is_replaced_only_with_overwrite(cost: Cost, tmp_path: Path) -> None:
    place = ("--methods", "frozen", "--out", str(tmp_path / "mine"))
    assert cost(*place)[0] == 0
    before = (tmp_path / "mine" / "cost.json").read_bytes()
    code, out, err = cost(*place)
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: .*/mine already contains cost.csv\. .*--overwrite.*\n", err)
    assert (tmp_path / "mine" / "cost.json").read_bytes() == before
    assert cost(*place, "--overwrite")[0] == 0
    assert (tmp_path / "mine" / "cost.json").read_bytes() != before


def test_json_equals_the_saved_file(cost: Cost, tmp_path: Path) -> None:
    code, out, _ = cost("--methods", "frozen", "--json", "--batch-size", "1", "--out", str(tmp_path / "out"))
    assert code == 0
    content = json.loads((tmp_path / "out" / "cost.json").read_text())
    assert out == json.dumps(content, indent=2) + "\n"
    assert content["batch_size"] == 1


def test_a_method_that_the_head_cannot_take_is_listed_with_its_reason(cost: Cost, tmp_path: Path) -> None:
    code, out, _ = cost("--methods", "rein,frozen")
    assert code == 0
    assert re.search(r"^Not measured: rein: .*this head has none", out, flags=re.MULTILINE)
    content = json.loads((tmp_path / "work_dirs" / "cost" / "synthetic-da" / "cost.json").read_text())
    assert [row["method"] for row in content["methods"]] == ["frozen"]
    assert [each["method"] for each in content["not_measured"]] == ["rein"]


def test_rein_is_measured_with_the_head_that_it_needs(cost: Cost) -> None:
    code, out, _ = cost("--methods", "rein", "--head", "mask2former-small", "--precision", "bf16", "--json")
    assert code == 0
    content = json.loads(out)
    assert [row["method"] for row in content["methods"]] == ["frozen", "rein"]
    assert (content["not_measured"], content["precision"]) == ([], "bf16")


@pytest.mark.parametrize("error", [ImportError("No module named 'peft'"), ConfigError("peft is not installed")])
def test_a_method_whose_library_is_missing_is_listed(cost: Cost, monkeypatch: pytest.MonkeyPatch, error) -> None:
    def build(cfg: Any) -> None:
        if cfg.cell.method == "earth_adapter":
            raise error

    monkeypatch.setattr("rs_adapt.cost.candidates.build_on_meta", build)
    code, out, _ = cost("--methods", "earth-adapter")
    assert code == 0
    assert f"Not measured: earth-adapter: {error}" in out


def test_all_are_the_values_of_the_axis(cost: Cost, monkeypatch: pytest.MonkeyPatch) -> None:
    values = axes.values
    assert {"frozen", "full", "earth_adapter", "rein"} <= set(values("method"))
    few = ("earth_adapter", "frozen", "full", "rein")
    monkeypatch.setattr(axes, "values", lambda axis: few if axis == "method" else values(axis))
    code, out, err = cost("--json")
    assert code == 0, err
    content = json.loads(out)
    assert [row["method"] for row in content["methods"]] == ["frozen", "earth_adapter", "full"]
    assert [each["method"] for each in content["not_measured"]] == ["rein"]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--methods", "frozen,rien"), ("no method 'rien'", "Did you mean rein", "Known: ")),
        (("--methods", " , "), ("names no method", "Use all")),
        (("--set", "optim.lrr=1"), ("optim.lrr", "no such key")),
        (("--precision", "fp16"), ("'fp16'", "fp32 or bf16")),
        (("--device", "gpu"), ("Unknown device 'gpu'", "auto, cpu, cuda and cuda:N")),
        (("--weights", "no/such.pth"), ("no/such.pth does not exist", "--weights random")),
    ],
)
def test_error_of_wrong_usage_names_the_allowed_values(
    cost: Cost, tmp_path: Path, arguments: tuple[str], parts: tuple
) -> None:
    code, out, err = cost(*arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: ")
    for part in parts:
        assert part in err
    assert not list(tmp_path.rglob("cost.*"))


def test_no_rounds_are_refused(cost: Cost) -> None:
    code, _, err = cost("--rounds", "0")
    assert code == 2
    assert "Invalid value for '--rounds'" in err


@pytest.mark.parametrize(
    ("bench", "task"),
    [("flow-sr", "super-resolution"), ("synthetic-b2n", "classification"), ("synthetic-compose-dg", "captions")],
)
def test_other_tasks_are_refused_by_name(cost: Cost, bench: str, task: str) -> None:
    code, out, err = cost("--bench", bench)
    assert (code, out) == (2, "")
    assert f"the task of bench {bench} is {task}" in err
