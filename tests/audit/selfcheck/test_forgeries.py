"""Ten kinds of forgery of a finished run, and what finds each: hashes, or what other files give."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rs_adapt.audit.selfcheck.check import check_run
from rs_adapt.audit.selfcheck.outcome import Outcome
from rs_adapt.runs.hashes import write_hashes
from rs_adapt.runs.records import DataRecord, Result, data_facts, read_record, write_record
from rs_adapt.scores.per_image import PerImage

STORED = Path(__file__).parents[2] / "runs" / "stored_0_1_0" / "finished"
MATRICES = "confusions/iter6.npz"


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=2) + "\n")


def edit_text(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def rehash(folder: Path) -> None:
    """Write the hashes of the files as they are now, as a forger can."""
    result = read_record(folder / "result.json", Result)
    assert result is not None
    write_record(folder / "result.json", result)
    write_hashes(folder, result)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a finished run of six iterations with hashes and data, as today's version stores them."""
    folder = Path(shutil.copytree(STORED, tmp_path / "run"))
    matrices = PerImage.load(folder / MATRICES)
    roles = {
        "labelled": {f"s{number}": (f"{number:016x}",) for number in range(9)},
        "test": {tile: (f"{number:016x}", f"{number:015x}a") for number, tile in enumerate(matrices.tiles)},
    }
    facts = {role: data_facts(digests).content() for role, digests in roles.items()}
    matrices.facts["data_sha256"] = facts["test"]["sha256"]
    matrices.save(folder / MATRICES)
    write_record(folder / "data.json", DataRecord(roles=roles))
    for name in ("cell.json", "result.json", "manifest.json"):
        edit_json(folder / name, lambda content: content.update(data=facts))
    edit_json(folder / "cell.json", lambda content: content.update(tiles={role: len(roles[role]) for role in roles}))
    rehash(folder)
    return folder


def test_a_run_as_it_was_written_has_no_contradiction(run: Path) -> None:
    outcome = check_run(run)
    assert outcome.contradictions == ()
    assert outcome.consistent
    by_name = {check.name: check for check in outcome.checks}
    assert by_name["hashes"].outcome is Outcome.CHECKED
    assert by_name["data"].outcome is Outcome.CHECKED
    # The tiles are those of no machine.
    assert by_name["tiles"].outcome is Outcome.UNCHECKED


def test_a_run_of_before_has_no_hashes_and_is_checked_otherwise() -> None:
    outcome = check_run(STORED)
    assert outcome.consistent
    by_name = {check.name: check for check in outcome.checks}
    assert by_name["hashes"].detail.startswith("no hashes were stored")
    for name in ("scores", "selections", "curve", "schedule", "config", "protocol", "classes", "pack"):
        assert by_name[name].outcome is Outcome.CHECKED, name


def forge_headline(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result.update(miou_pct=74.0))


def forge_class(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["iou_pct"].update(road=74.0))


def forge_selection_value(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["selections"]["oracle"].update(value=74.0))


def forge_selection_score(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["selections"]["oracle"].update(miou_pct=74.0))


def forge_interval(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["interval"].update(low=result["miou_pct"] - 0.1))


def forge_matrix(folder: Path) -> None:
    matrices = PerImage.load(folder / MATRICES)
    counts_NKK = matrices.counts_NKK.copy()
    wrong = np.argwhere(counts_NKK[0] > 20)[0]
    counts_NKK[0][tuple(wrong)] -= 20
    counts_NKK[0][wrong[0], (wrong[1] + 1) % counts_NKK.shape[1]] += 20
    PerImage(**vars(matrices) | {"counts_NKK": counts_NKK}).save(folder / MATRICES)


def forge_pack(folder: Path) -> None:
    content = bytearray((folder / "adapter.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "adapter.safetensors").write_bytes(bytes(content))


def forge_loss(folder: Path) -> None:
    edit_text(folder / "metrics.jsonl", '"loss": 1.4', '"loss": 0.4')


def forge_removed_line(folder: Path) -> None:
    lines = (folder / "metrics.jsonl").read_text().splitlines(keepends=True)
    (folder / "metrics.jsonl").write_text("".join([*lines[:2], *lines[3:]]))


def forge_rate(folder: Path) -> None:
    edit_text(folder / "metrics.jsonl", '"lr": 0.00163', '"lr": 0.00173')


def forge_config(folder: Path) -> None:
    edit_text(folder / "config.py", "weight_decay=0.05", "weight_decay=0.01")


def forge_protocol(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["protocol"].update(weights="teacher"))


def forge_protocol_name(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["protocol"].update(name="paper"))


def forge_seed(folder: Path) -> None:
    edit_json(folder / "cell.json", lambda start: start["cell"].update(seed=1))


def forge_seed_of_result(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["cell"].update(seed=1))


def forge_data(folder: Path) -> None:
    edit_json(folder / "data.json", lambda data: data["roles"]["labelled"].update(s0=["f" * 16]))


def forge_fingerprint(folder: Path) -> None:
    edit_json(folder / "result.json", lambda result: result["data"]["test"].update(sha256="0" * 64))


def forge_classes(folder: Path) -> None:
    edit_json(folder / "manifest.json", lambda manifest: manifest["classes"].reverse())


def forge_palette(folder: Path) -> None:
    edit_json(folder / "manifest.json", lambda manifest: manifest["palette"].reverse())


def forge_curve(folder: Path) -> None:
    edit_text(folder / "metrics.jsonl", '"miou_pct": 38.67', '"miou_pct": 48.67')


def forge_source_curve(folder: Path) -> None:
    edit_text(folder / "metrics.jsonl", '"miou_pct": 36.88', '"miou_pct": 46.88')


FORGERIES = {
    # Each with the check that finds it also where the forger wrote the hashes again.
    forge_headline: "scores",
    forge_class: "scores",
    forge_interval: "scores",
    forge_selection_score: "scores",
    forge_selection_value: "selections",
    forge_matrix: "scores",
    forge_pack: "pack",
    forge_loss: "losses",
    forge_removed_line: "schedule",
    forge_rate: "schedule",
    forge_config: "config",
    forge_protocol: "protocol",
    forge_protocol_name: "protocol",
    forge_seed: "seed",
    forge_seed_of_result: "seed",
    forge_data: "data",
    forge_fingerprint: "data",
    forge_classes: "classes",
    forge_palette: "classes",
    forge_curve: "curve",
    forge_source_curve: "curve",
}


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_every_kind_of_forgery_is_found(run: Path, forge: Callable[[Path], None]) -> None:
    forge(run)
    first = check_run(run)
    names = {check.name for check in first.contradictions}
    assert "hashes" in names
    rehash(run)
    again = check_run(run)
    names = {check.name for check in again.contradictions}
    assert "hashes" not in names
    assert FORGERIES[forge] in names, again.checks
    assert not again.consistent


def test_settings_that_were_changed_everywhere_contradict_the_curve(run: Path) -> None:
    """A learning rate that is written into config, cell, result and manifest did not make the logged rates."""
    edit_text(run / "config.py", "lr=0.002", "lr=0.004")
    text = (run / "config.py").read_text().replace("lr=0.002", "lr=0.004")
    (run / "config.py").write_text(text)
    for name in ("cell.json", "result.json"):
        edit_json(run / name, lambda content: content["options"]["overrides"].append("optim.lr=0.004"))
    edit_json(run / "manifest.json", lambda content: content["overrides"].append("optim.lr=0.004"))
    rehash(run)
    outcome = check_run(run)
    assert "schedule" in {check.name for check in outcome.contradictions}, outcome.contradictions


@pytest.mark.parametrize("missing", ["adapter.safetensors", "manifest.json", MATRICES, "metrics.jsonl", "data.json"])
def test_a_file_that_is_missing_is_found(run: Path, missing: str) -> None:
    (run / missing).unlink()
    outcome = check_run(run)
    assert any(check.name == "hashes" and missing in check.detail for check in outcome.contradictions)


def test_hashes_do_not_read_outside_the_run(run: Path) -> None:
    edit_json(run / "hashes.json", lambda hashes: hashes["files"].update({"../../etc/passwd": "0" * 64}))
    (check,) = [check for check in check_run(run).contradictions if check.name == "hashes"]
    assert "which is no file of the run folder" in check.detail
