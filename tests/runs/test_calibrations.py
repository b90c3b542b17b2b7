"""A calibration in the manifest of a finished run: its hash is renewed, and a changed manifest is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import file_sha256
from rs_adapt.runs.calibrations import store_calibration
from rs_adapt.runs.hashes import find_changes
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import Calibration, HashesRecord, Manifest, Reliability, read_record, write_record

RELIABILITY = Reliability(ece_pct=1.0, nll=0.5, bins=[])
FITTED = Calibration(
    temperature=1.5, split="north val", tiles=2, pixels=9, before=RELIABILITY, after=RELIABILITY, precision="fp32"
)
NAME = "manifest.json"


@pytest.fixture(name="run")
def run_fixture(tmp_path: Path) -> Path:
    content = {
        "cell": {"bench": "synthetic", "setting": "dg", "method": "lora", "backbone": "dinov2_nano", "head": "linear"}
        | {"strategy": "source_only", "seed": 0},
        "overrides": [],
        "base": {"name": "dinov2_nano", "sha256": "0"},
        "classes": ["land", "water"],
    }
    write_record(tmp_path / NAME, Manifest.model_validate(content))
    hashes = {NAME: file_sha256(tmp_path / NAME), "config.py": "1" * 64}
    write_record(tmp_path / "hashes.json", HashesRecord(files=hashes))
    return tmp_path


def test_a_calibrated_run_is_as_it_was_written(run: Path) -> None:
    store_calibration(run, FITTED)
    assert read_manifest(run).calibration == FITTED
    assert find_changes(run, [NAME]) == []
    hashes = read_record(run / "hashes.json", HashesRecord)
    assert hashes is not None
    assert hashes.files["config.py"] == "1" * 64
    # A later one replaces it.
    store_calibration(run, FITTED.model_copy(update={"temperature": 2.0}))
    calibration = read_manifest(run).calibration
    assert calibration is not None
    assert calibration.temperature == 2.0


def test_a_calibration_that_was_killed_before_the_hash_is_repeated(run: Path) -> None:
    hashes = (run / "hashes.json").read_text()
    store_calibration(run, FITTED)
    (run / "hashes.json").write_text(hashes)
    assert find_changes(run, [NAME])
    store_calibration(run, FITTED)
    assert find_changes(run, [NAME]) == []


def test_a_changed_manifest_is_not_calibrated(run: Path) -> None:
    text = (run / NAME).read_text().replace("water", "sea")
    (run / NAME).write_text(text)
    with pytest.raises(CheckpointMismatch, match="was changed after the run had ended"):
        store_calibration(run, FITTED)
    assert (run / NAME).read_text() == text


def test_a_pack_without_a_run_is_calibrated(run: Path) -> None:
    (run / "hashes.json").unlink()
    store_calibration(run, FITTED)
    assert read_manifest(run).calibration == FITTED
    assert not (run / "hashes.json").exists()
