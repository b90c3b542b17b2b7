"""Every command and snippet of the documents: commands parse and name what exists, cheap ones and Python run."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import (
    PAGES,
    ROOT,
    STAND_IN,
    Command,
    commands,
    example_of_a_method,
    filled,
    python_of,
    read,
    verb_of,
    verbs,
)
from PIL import Image

from rs_adapt.commands import app, main
from rs_adapt.commands.options import AUTO_BATCH
from rs_adapt.config import compose, resolve_cell
from rs_adapt.errors import IncompatibleCell, RsAdaptError
from rs_adapt.plugins import forget_plugins
from rs_adapt.sweeps.spec import read_spec

FOREIGN_PROGRAMS = ("python ", "make ", "pip ", "git ", "srun ", "torchrun ")
CELL = ("setting", "direction", "method", "backbone", "head", "strategy", "seed", "protocol")
CHANGES = ("iters", "batch_size", "precision", "num_workers")


def check(command: Command) -> None:
    """Parse a command with all its values, and compose the cell that it names.

    Raises:
        Exception: From click or rs-adapt, with the reason.
    """
    if command.words[0] == "--help":
        return
    path, verb = verb_of(command.words)
    arguments = filled(command.words[len(path) :]) if path[0] not in ("data", "weights") else list(command.words)
    if path[0] in ("data", "weights"):
        arguments = filled((path[0], *command.words[len(path) :]))[1:]
    if "--help" in arguments:
        return
    try:
        values = verb.make_context(" ".join(path), arguments).params
    except Exception as error:
        if not command.whole and re.search("Missing|requires an argument", f"{type(error).__name__}{error}"):
            return
        raise
    for name in (values.get("methods") or "all").split(","):
        resolve_cell("synthetic-da", method=None if name == "all" else name)
    if values.get("bench") and path != ("weights", "import"):
        # Of a bench in a TOML file, eval takes the setting of the run.
        own = {"setting": "da"} if path == ("eval",) and values["bench"].endswith(".toml") else {}
        compose_cell(values | own)
    elif path[0] in ("sweep", "plan") and str(values.get("file") or "").endswith(".toml"):
        read_spec(Path(values["file"]))


def compose_cell(values: dict[str, Any]) -> None:
    """Compose the cell of parsed options; what works together or not is another matter than names that exist."""
    names = {name: values[name] for name in CELL if values.get(name) is not None}
    changes = {name: values[name] for name in CHANGES if values.get(name) is not None}
    if changes.get("batch_size") == AUTO_BATCH:
        # Found when the training starts.
        del changes["batch_size"]
    try:
        cell = resolve_cell(values["bench"], tuned=not values.get("untuned"), **names)
        compose(cell, overrides=values.get("set_") or (), weights="random", **changes)
    except IncompatibleCell:
        return


@pytest.fixture(autouse=True)
def no_plugins_left() -> Iterator[None]:
    """Forget the plugins that a command of the documents names."""
    yield
    forget_plugins()


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the documents' commands find what they name: configs, and a TOML of one's own."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "configs").symlink_to(ROOT / "configs")
    pages = {"start/own-data.md": ("my.toml", "myset.toml"), "start/first-map.md": ("region.toml",)}
    for page, names in {**pages, "guides/captions.md": ("captions.toml",)}.items():
        blocks, _ = read(ROOT / "docs" / page)
        own = next(text for language, text in blocks if language == "toml")
        for name in names:
            (folder / name).write_text(own, encoding="utf-8")
    (folder / "attention_gain.py").write_text(example_of_a_method(), encoding="utf-8")
    for name in ("images", "masks_orig", "a/images", "a/labels", "b", "sugarcrepe", "val2017", "classes"):
        (folder / name).mkdir(parents=True)
    (folder / "train.csv").touch()
    return folder


@pytest.mark.parametrize("page", sorted({command.page for command in commands()}))
def test_commands_name_existing_verbs_and_options(page: str, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout)
    wrong = []
    for command in (command for command in commands() if command.page == page):
        try:
            check(command)
        except Exception as error:
            wrong.append(f"rs-adapt {' '.join(command.words)}\n    {type(error).__name__}: {error}")
    assert not wrong, "\n".join([page, *wrong])


def test_options_in_sentences_and_tables_exist() -> None:
    commands_with_options = [typer.main.get_command(app), *(verb for _, verb in verbs())]
    known = {
        name for it in commands_with_options for param in it.params for name in (*param.opts, *param.secondary_opts)
    }
    wrong = []
    for page in PAGES:
        _, prose = read(page)
        for code in re.findall(r"`([^`]+)`", prose):
            options = re.findall(r"(?<!\S)--[a-z][\w-]*", code)
            if not code.startswith(FOREIGN_PROGRAMS) and "--help" not in options:
                wrong += [f"{page.name}: {code}" for name in options if name not in known]
    assert not wrong, "\n".join(wrong)


def test_values_of_axes_in_sentences_and_tables_exist() -> None:
    """For example `--strategy mic` in a table, or `--bench synthetic-da --strategy dacs-conf` in a row of results."""
    wrong = []
    for page in PAGES:
        _, prose = read(page)
        for axis, value in re.findall(r"--(bench|method|backbone|head|strategy|protocol) ([\w.:+-]+)", prose):
            named = {} if axis == "bench" else {axis: value}
            bench = value if axis == "bench" else "loveda-da"
            if STAND_IN.fullmatch(value) or value.endswith((".toml", "-")):
                continue
            try:
                resolve_cell(bench, **named)
            except RsAdaptError as error:
                wrong.append(f"{page.name}: --{axis} {value}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["bench", "method", "backbone", "head", "strategy", "protocol", "set", "iterations"])
def test_typing_errors_are_found(name: str) -> None:
    words = {
        "bench": "train --bench lovedaa-da",
        "method": "train --bench loveda-da --method earth-adaptor",
        "backbone": "train --bench loveda-da --backbone dinov2-xl",
        "head": "lint --bench loveda-da --head linearr",
        "strategy": "train --bench loveda-da --strategy micc",
        "protocol": "show --bench loveda-da --protocol stricter",
        "set": "train --bench loveda-da --set optim.rl=1",
        "iterations": "train --bench loveda-da --iter 5",
    }[name]
    with pytest.raises(Exception, match="(?i)no such option|no .* called|unknown|is not|there is no|no such"):
        check(Command("page", tuple(words.split()), True))


def test_scripts_and_targets_exist() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    wrong = []
    for page in PAGES:
        # Scripts of earlier commits, named with them, need not exist now.
        text = re.sub(r"Measured from `\w+` with `[^`]+`", "", page.read_text(encoding="utf-8"))
        scripts = re.findall(r"python ((?:benchmarks|docs)/\S+\.py)", text)
        wrong += [name for name in scripts if not (ROOT / name).is_file()]
        called = re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE)
        wrong += [f"make {name}" for name in called if name not in targets]
    assert not wrong, wrong


QUICK = (
    *("list", "lint --rules", "data list", "weights list", "data init", "show --bench synthetic"),
    *("show --bench loveda", "lint --bench loveda", "sweep configs/sweep/synthetic_all.toml --dry-run"),
)


def test_quick_commands_run(checkout: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Commands that load no torch, each once; `lint` may find what it is shown for."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    (tmp_path / "attention_gain.py").write_text(example_of_a_method(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    lines = {shlex.join(command.words) for command in commands() if command.whole and "<" not in str(command.words)}
    quick = sorted(line for line in lines if line.startswith(QUICK) and "--cost" not in line)
    assert len(quick) >= 12
    for line in quick:
        extra = ["--no-data"] if line.startswith("lint --bench") and "--no-data" not in line else []
        assert run([*shlex.split(line), *extra]) in ((0, 1) if line.startswith("lint") else (0,)), line


def run(words: list[str]) -> int:
    """Run a command in this process and return its exit code."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    return int(stop.value.code or 0)


@pytest.fixture
def finished(loveda_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a small finished run in `RUN`, and an image beside it; it is the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RS_ADAPT_DATA", str(loveda_root))
    small = "--backbone dinov2-nano --head linear --num-workers 0 --iters 2 --device cpu --partial --work-dir RUN"
    changes = "--set bench.tile_px=64 --set bench.crop_px=64 --set bench.inference.mode=\"'whole'\""
    assert run(["train", "--bench", "loveda-da", *shlex.split(small), *shlex.split(changes)]) == 0
    image = next(loveda_root.rglob("urban/val/img_dir/*.png"))
    (tmp_path / "tile.png").write_bytes(image.read_bytes())
    return tmp_path


@pytest.mark.slow
def test_commands_of_the_first_run_and_its_snippets_run(finished: Path) -> None:
    """The commands on a run of the page for beginners, and the Python of the pages on packs and scores."""
    first = [command.words for command in commands() if command.page == "docs/start/first-run.md" and command.whole]
    on_run = [words for words in first if "RUN" in words]
    assert {words[0] for words in on_run} == {"eval", "score", "inspect", "lint"}
    for words in on_run:
        assert run([*words, *(("--device", "cpu") if words[0] in ("eval", "inspect") else ())]) in (
            (0, 1) if words[0] == "lint" else (0,)
        ), words
    assert run(["report", "."]) == 0
    for page in ON_RUN:
        for text in python_of(ROOT / "docs" / page):
            exec(compile(text.replace("iter400", "iter2"), page, "exec"), {})


ON_RUN = ("guides/resume-and-packs.md", "trust/scores.md")
PYTHON = [page for page in PAGES if python_of(page) and page.stem not in ("CONTRIBUTING", "resume-and-packs", "scores")]


@pytest.mark.parametrize(
    "page",
    # The page on Python trains two iterations.
    [pytest.param(page, marks=[pytest.mark.slow] * (page.stem == "python"), id=page.stem) for page in PYTHON],
)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CONTRIBUTING's example has a test of its own (`test_docs.py`); those on a run have it above."""
    monkeypatch.chdir(tmp_path)
    masks = tmp_path / "raw" / "masks"
    masks.mkdir(parents=True)
    Image.new("RGB", (8, 8), (226, 169, 41)).save(masks / "tile1_001.png")
    for text in python_of(page):
        exec(compile(text, page.name, "exec"), {"__name__": "snippet"})
    if page.stem == "benches":
        assert Image.open(tmp_path / "data/dubai/labels/tile1_001.png").getpixel((0, 0)) == 4


def test_toml_of_the_page_on_sweeps_is_read(tmp_path: Path) -> None:
    blocks = [text for language, text in read(ROOT / "docs/guides/sweeps.md")[0] if language == "toml"]
    file = tmp_path / "sweep.toml"
    file.write_text(blocks[0], encoding="utf-8")
    assert read_spec(file).name
    for text in blocks[1:]:
        file.write_text(blocks[0].partition("[launcher]")[0] + text, encoding="utf-8")
        assert read_spec(file).launcher


def test_toml_snippets_parse() -> None:
    for page in PAGES:
        for language, text in read(page)[0]:
            if language == "toml":
                tomllib.loads(text)
