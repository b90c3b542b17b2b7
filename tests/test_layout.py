"""The house rules that a reader relies on: sizes of files, places of tests, names at the top level."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 300
# Files that may be longer. The list may only shrink: split the file instead of adding to it.
EXCUSED: frozenset[str] = frozenset()
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "benchmarks",
    "cli.py",
    "configs",
    "constraints.txt",
    "data",
    "docs",
    "mkdocs.yml",
    "pyproject.toml",
    "rs_adapt",
    "tests",
}
# Tests of the whole rather than of one module.
WHOLE_TESTS = {
    "conftest",
    "test_layout",
    "documents",
    "polygon_files",
    "geodata",
    "hub_server",
    "onnx_models",
    "own_benches",
    "plain_files",
    "recorded_tables",
    "resolver_models",
    "scene_folders",
    "test_docs",
    "test_prose",
    "test_snippets",
    "test_import_time",
    "test_wheel",
    "clip_files",
}
# Spelled in pieces, so that this file does not hold what it looks for.
FORBIDDEN = re.compile("|".join(["/" + "work/", "/" + "root/", "bash" + "_jobs", "SPEC" + r"\.md", "\\." + "library/"]))
TEXT = {".py", ".md", ".toml", ".txt", ".cfg", ".yml", ".yaml", ".json", ""}


def project_files() -> list[Path]:
    """Return all files that git tracks or would track; in an unpacked archive without git, all files."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]


FILES = project_files()
# Run folders of older versions are data.
PYTHON = [path for path in FILES if path.suffix == ".py" and not path.match("stored_*/*/*")]


def test_no_python_file_is_long() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in PYTHON}
    long = {name for name, count in lines.items() if count > MAX_LINES}
    assert long <= EXCUSED, f"split these files by responsibility: {sorted(long - EXCUSED)}"
    assert long >= EXCUSED, f"no longer long, take them off the list: {sorted(EXCUSED - long)}"


def test_no_module_is_a_catch_all() -> None:
    drawers = {"utils", "util", "helpers", "misc", "common"}
    found = [path for path in PYTHON if drawers & {part.removesuffix(".py") for part in path.relative_to(ROOT).parts}]
    assert not found, f"a function lives with its user: {found}"


def test_tests_mirror_the_package() -> None:
    modules = {
        path.relative_to(ROOT / "rs_adapt").with_suffix("") for path in PYTHON if ROOT / "rs_adapt" in path.parents
    }
    folders = {module.parent for module in modules} | {Path(".")}
    strays = []
    for path in PYTHON:
        if ROOT / "tests" not in path.parents:
            continue
        place = path.relative_to(ROOT / "tests")
        if place.parent == Path("."):
            ok = path.stem in WHOLE_TESTS or Path(path.stem.removeprefix("test_")) in modules
        else:
            ok = place.parts[0] in {"smoke", "golden", "fuzz", "campaigns"} or place.parent in folders
        if not ok:
            strays.append(place.as_posix())
    assert not strays, f"no folder of rs_adapt/ matches these tests: {strays}"


def test_every_folder_of_the_package_has_tests() -> None:
    folders = {path.parent.name for path in PYTHON if path.parent.parent == ROOT / "rs_adapt"}
    tested = {
        path.relative_to(ROOT / "tests").parts[0]
        for path in PYTHON
        if ROOT / "tests" in path.parents and path.parent != ROOT / "tests"
    }
    assert folders <= tested, f"no tests for: {sorted(folders - tested)}"


def test_names_at_the_top_are_fixed() -> None:
    found = {path.relative_to(ROOT).parts[0] for path in FILES}
    assert found <= TOP_LEVEL, f"not part of the layout: {sorted(found - TOP_LEVEL)}"


def test_checkout_entry_is_short() -> None:
    assert len((ROOT / "cli.py").read_text(encoding="utf-8").splitlines()) <= 15


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix in TEXT], ids=lambda p: str(p.relative_to(ROOT))
)
def test_text_names_no_path_of_one_machine(path: Path) -> None:
    found = FORBIDDEN.findall(path.read_text(encoding="utf-8"))
    assert not found, f"{path.relative_to(ROOT)} names {sorted(set(found))}"
