"""Documents that repeat code: the page of methods, and the worked example of a method."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from documents import example_of_a_method, verbs

import rs_adapt as rsa
from rs_adapt.adapters import attach
from rs_adapt.backbones import Dinov2
from rs_adapt.commands import main
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.plugins import forget_plugins
from rs_adapt.registry import MODELS

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_page_of_methods_agrees_with_the_code() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "methods_page.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def worked_example(tmp_path: Path) -> Iterator[Path]:
    """CONTRIBUTING's example, both parts as printed in one file."""
    file = tmp_path / "attention_gain.py"
    file.write_text(example_of_a_method())
    try:
        yield file
    finally:
        MODELS.module_dict.pop("AttentionGain", None)
        forget_plugins()


def test_worked_example_of_a_method_runs(worked_example: Path) -> None:
    cfg = rsa.compose("synthetic-da", method="attention-gain", plugins=[worked_example])
    settings = segmentor_config(cfg).backbone.adapter.to_dict()
    assert settings == {"type": "rs_adapt.AttentionGain", "embed_dim": 192, "depth": 6}
    adapter = MODELS.build(settings | {"embed_dim": 32, "depth": 2})
    vit = Dinov2(embed_dim=32, depth=2, num_heads=2, patch_px=8, image_px=32, out_layers=(1,), level_scales=(1.0,))
    image = torch.randn(1, 3, 32, 48)
    (before,) = vit(image)
    attach(adapter, vit)
    vit.adapter = adapter
    assert torch.equal(vit(image)[0], before)
    vit(image)[0].square().mean().backward()
    assert all(p.grad.abs().sum() > 0 for p in adapter.parameters())
    assert sum(p.numel() for p in adapter.parameters()) == adapter.num_params(embed_dim=32, depth=2)


@pytest.mark.slow
def test_worked_example_of_a_method_trains_and_is_scored(
    worked_example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, plugin = tmp_path / "run", str(worked_example)
    tail = ["--device", "cpu"]
    given = ["--bench", "synthetic-dg", "--method", "attention-gain", "--iters", "2", "--num-workers", "0"]
    given += ["--set", "bench.prepare.scenes.test=1", "--set", "bench.prepare.scenes.val=1", "--logger", "none"]
    assert _call("train", *given, "--work-dir", str(run), "--plugins", plugin, *tail) == 0
    recorded = json.loads((run / "manifest.json").read_text())["plugins"]
    assert [(entry["name"], entry["methods"]) for entry in recorded] == [("attention_gain.py", ["attention_gain"])]
    # A file in the run folder is not run by itself.
    worked_example.rename(run / "attention_gain.py")
    forget_plugins()
    assert _call("eval", str(run), *tail) == 2
    assert "comes from the plugin attention_gain.py" in capsys.readouterr().err
    assert _call("eval", str(run), "--plugins", str(run / "attention_gain.py"), *tail) == 0


def _call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    return int(stop.value.code or 0)


FOLDERS = ("rs_adapt", "configs", "data", "docs", "tests", "benchmarks")
# Files of the reader's, of a worked example, and of other programs.
EXAMPLE = re.compile(r"NAME|attention_gain|vis_data/|RUN/")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def slugs(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_documents_lead_to_files_and_headings(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")) if "://" not in link]
    missing = []
    for link in links:
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in slugs(target)):
            missing.append(link)
    assert not missing, f"{page.name} links to {missing}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_a_page_names_exist(page: Path) -> None:
    if page.name in ("CHANGELOG.md", "comparison.md", "RESULTS.md"):
        pytest.skip("names files of earlier versions or of other projects")
    text = page.read_text(encoding="utf-8")
    files = {path.relative_to(ROOT).as_posix() for folder in FOLDERS for path in (ROOT / folder).rglob("*.*")}
    wrong = []
    for name in re.findall(r"`([\w/]+\.(?:py|toml))`", text):
        known = EXAMPLE.search(name) or any(f"/{file}".endswith(f"/{name}") for file in files)
        if "/" in name and not known:
            wrong.append(name)
    for name in re.findall(r"`(rs_adapt(?:\.[a-z_]\w*)+)", text):
        parts = name.split(".")
        room = ROOT.joinpath(*parts[:2])
        if not (room.is_dir() or room.with_suffix(".py").is_file() or parts[1] in rs_adapt_names()):
            wrong.append(name)
    assert not wrong, f"{page.name} names {wrong}"


def rs_adapt_names() -> list[str]:
    return list(getattr(import_module("rs_adapt"), "__all__", []))


def test_page_on_python_has_every_public_function() -> None:
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^::: rs_adapt\.(?:api|config)\.\w+\.(\w+)$", page, flags=re.MULTILINE))
    assert shown == set(rs_adapt_names()) - {"RsAdaptError", "__version__", "errors"}


def test_design_lists_the_rooms_in_the_order_of_their_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "docs" / "project" / "design.md").read_text(encoding="utf-8").partition("## The layers")[2]
    rows = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", text, flags=re.MULTILINE)
    assert rows == layers


@pytest.mark.slow
def test_site_builds_without_warnings_and_loads_nothing_from_the_network(tmp_path: Path) -> None:
    """`--strict`: a broken link or anchor, a page outside the navigation and a bad docstring are errors."""
    pytest.importorskip("mkdocstrings_handlers.python", reason="needs the packages of the extra `docs`")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    pages = {page: page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")}
    assert len(pages) >= 35
    loaded = r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//[^>]*>"
    assert not [page.name for page, text in pages.items() if re.search(loaded, text)]
    reference = pages[tmp_path / "site" / "reference" / "cli.html"]
    for path, verb in verbs():
        assert f"rs-adapt {' '.join(path)}" in reference
        for param in verb.params:
            hidden = param.param_type_name == "argument" or param.hidden
            assert hidden or f"<code>{param.opts[0]}</code>" in reference, param.opts


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tests"))
    return import_module("recorded_tables")


@pytest.mark.parametrize("file", sorted(path.stem for path in (ROOT / "docs" / "tables").glob("*.json")))
def test_tables_in_the_documents_agree_with_the_recorded_runs(file: str, tables: Any) -> None:
    facts = json.loads((ROOT / "docs" / "tables" / f"{file}.json").read_text(encoding="utf-8"))
    text = tables.method_table(facts) if file.endswith("_methods") else tables.strategy_tables(facts)
    printed = (ROOT / "docs" / "tables" / f"{file}.md").read_text(encoding="utf-8")
    assert printed.startswith(text)
    # Below the tables: how they were measured, from the commits that the file of numbers names.
    provenance = printed.removeprefix(text)
    assert all(commit[:10] in provenance for commit in facts["machine"]["commit"])
    assert "|" not in provenance
    document = "docs/project/results-methods.md" if file.endswith("_methods") else "docs/project/results.md"
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    absent = [line for line in text.splitlines() if line and line not in lines]
    assert not absent, f"{document} lacks {absent[:2]}"


@pytest.mark.parametrize("bench", ["synthetic", "dubai"])
def test_scores_in_the_summary_agree_with_the_recorded_runs(bench: str, tables: Any) -> None:
    facts = json.loads((ROOT / "docs" / "tables" / f"{bench}.json").read_text(encoding="utf-8"))
    told = {row["name"]: f"| {tables.ranged(tables.scores(row))} |" for row in facts["rows"]}
    lines = (ROOT / "docs" / "project" / "results.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if f"--bench {bench}-" in line and line.startswith("|")]
    assert len(rows) >= 5
    for line in rows:
        name = line.split("|")[1].strip()
        assert told[name] in line, f"the summary has {line}, the runs have {told[name]}"
