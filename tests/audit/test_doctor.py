"""The doctor: each thing that can be wrong is found, with the command that mends it."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rs_adapt.audit import doctor
from rs_adapt.audit.doctor import CheckResult, examine
from rs_adapt.config import axes, paths

PUBLISHED = {
    Path("loveda") / region / split / "img_dir": number
    for region, split, number in (
        ("rural", "train", 5464),
        ("rural", "val", 3968),
        ("urban", "train", 4624),
        ("urban", "val", 2708),
    )
}


def by_name(findings: list[CheckResult]) -> dict[str, CheckResult]:
    return {finding.name: finding for finding in findings}


def test_a_sound_machine_has_no_error(tmp_path: Path) -> None:
    findings = examine(data_root=tmp_path, smoke=False)
    assert [one for one in findings if one.status == "error"] == []
    assert {"python", "packages", "torch", "weights dinov2-nano"} <= by_name(findings).keys()


def test_a_rival_distribution_of_the_same_import_name_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = doctor.distribution
    monkeypatch.setattr(
        doctor, "distribution", lambda name: SimpleNamespace(version="2.1.0") if name == "mmcv" else real(name)
    )
    found = by_name(examine(data_root=tmp_path, smoke=False))["mmcv"]
    assert (found.status, "beside onedl-mmcv" in found.seen) == ("error", True)
    assert found.fix == "pip uninstall -y mmcv && pip install --force-reinstall --no-deps onedl-mmcv"


def test_a_package_that_is_absent_or_too_old_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.distribution

    def changed(name: str) -> Any:
        if name == "rasterio":
            raise PackageNotFoundError(name)
        return SimpleNamespace(version="0.1") if name == "transformers" else real(name)

    monkeypatch.setattr(doctor, "distribution", changed)
    findings = by_name(examine(data_root=tmp_path, smoke=False))
    assert (findings["rasterio"].status, findings["rasterio"].fix) == ("error", "pip install 'rasterio>=1.4'")
    assert findings["transformers"].seen.startswith("0.1 is installed; rs-adapt needs ")


def test_damaged_weights_are_an_error(tmp_path: Path) -> None:
    facts = axes.backbone_facts("dinov2_s")["weights"]
    path = paths.weights_file(facts)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut off")
    found = by_name(examine(data_root=tmp_path, smoke=False))["weights dinov2-s"]
    assert found.status == "error"
    assert found.fix.startswith(f"rm {path} && ")


def test_incomplete_data_are_a_warning_and_complete_data_are_fine(
    loveda_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = by_name(examine(data_root=loveda_root, smoke=False))["data loveda-r2u"]
    num_images = len([*(loveda_root / "loveda" / "rural" / "train" / "img_dir").iterdir()])
    assert f"rural train has {num_images} images, but 5464 are published; rural val has" in found.seen
    assert (found.status, found.fix) == ("warning", f"rs-adapt data verify loveda-r2u --data-root {loveda_root}")
    # As if all of them were there.
    monkeypatch.setattr(doctor, "_num_files", lambda folder, suffix: PUBLISHED[folder.relative_to(loveda_root)])
    assert by_name(examine(data_root=loveda_root, smoke=False))["data loveda-r2u"].status == "ok"
    shutil.rmtree(loveda_root / "loveda" / "urban" / "val")
    found = by_name(examine(data_root=loveda_root, smoke=False))["data loveda-r2u"]
    assert (found.status, "loveda/urban/val/img_dir does not" in found.seen) == ("warning", True)


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    found = by_name(examine(data_root=tmp_path, smoke=False))["disk, cache"]
    assert (found.status, "0.9 GiB free" in found.seen) == ("warning", True)


@pytest.mark.slow
def test_one_iteration_is_trained_and_a_failure_shows_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = by_name(examine(data_root=tmp_path))["training"]
    assert good.status == "ok", good.seen
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(tmp_path / "none"))
    (bad,) = doctor._training()
    assert (bad.status, "RS_ADAPT_CONFIGS" in bad.seen) == ("error", True)
