"""The wheel holds all that a run needs, and works where there is no checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-index", "--target", str(target), str(wheel)], check=True, timeout=120)
    return target


def run(installed: Path, cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command, with nothing of the checkout on the path or beside it."""
    environment = {name: value for name, value in os.environ.items() if name != "RS_ADAPT_CONFIGS"}
    environment["PYTHONPATH"] = str(installed)
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_wheel_has_configs_and_manifests_and_no_checkout_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {
        f"rs_adapt/_configs/{path.relative_to(ROOT / 'configs').as_posix()}" for path in ROOT.glob("configs/*/*.py")
    }
    shipped |= {f"rs_adapt/_data/{path.relative_to(ROOT / 'data').as_posix()}" for path in ROOT.glob("data/**/*.toml")}
    shipped |= {f"rs_adapt/_data/published/{path.name}" for path in ROOT.glob("data/published/*")}
    shipped |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob("rs_adapt/**/*.py")}
    templates = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("rs_adapt/render/templates/*")}
    assert "rs_adapt/render/templates/page.html" in templates
    shipped |= templates
    assert shipped <= set(names)
    assert "rs_adapt/py.typed" in names
    assert {f"rs_adapt/backbones/shipped/{file}.safetensors" for file in ("dinov2_nano", "nano_clip")} <= set(names)
    assert {f"rs_adapt/language/shipped/{file}" for file in ("clip_merges.txt.gz", "LICENSE-CLIP.txt")} <= set(names)
    foreign = [name for name in names if not name.startswith(("rs_adapt/", "rs_adapt-"))]
    assert not foreign
    assert not [name for name in names if name.endswith((".pyc", "cli.py"))]


def test_installed_command_finds_its_configs(installed: Path, tmp_path: Path) -> None:
    where = run(installed, tmp_path, "-c", "import rs_adapt; print(rs_adapt.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed)
    listed = run(installed, tmp_path, "-m", "rs_adapt", "list", "benches")
    assert listed.returncode == 0, listed.stderr
    assert "loveda" in listed.stdout
    assert "isprs" in listed.stdout
    shown = run(installed, tmp_path, str(installed / "bin" / "rs-adapt"), "show", "--bench", "loveda-da")
    assert shown.returncode == 0, shown.stderr
    assert str(tmp_path / "data" / "loveda") in shown.stdout


def test_installed_command_reports_errors_without_a_traceback(installed: Path, tmp_path: Path) -> None:
    failed = run(installed, tmp_path, "-m", "rs_adapt", "show", "--bench", "lovedaa-da")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ")
    assert "loveda-da" in failed.stderr
    assert failed.stdout == ""
