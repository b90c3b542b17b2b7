"""The kinds of files that the campaign damages: which files, which commands read them, and what of it is a result."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzz.material import ON_CPU, PREPARE, TRAIN
from fuzz.material_of_tasks import FLOW, SHARD, SPLIT, TABLE

Command = tuple[str, ...]
# Numbers of the scores in what a verb prints.
_NUMBER = re.compile(r"-?\d+\.\d+|\bnan\b|\binf\b")
_DRY = (*TRAIN, "--dry-run")
_OUTLINES = ("train", "--bench", "outlines.toml", "--setting", "dg", *ON_CPU, "--dry-run")
_RESUME = (*TRAIN, "--work-dir", "stopped", "--set", "bench.schedule.eval_every=2", "--resume")
_SCORE = ("score", "run_a", "--json")
_REPORT = ("report", "run_a", "run_b", "--out", "page")
_COMPARE = ("compare", "run_a", "run_b", "--json")
_VERIFY = ("verify", "run_a", "--against", "run_b", "--json")
_LINT = ("lint", "run_a", "--no-data", "--json")
_EVAL = ("eval", "run_a", "--device", "cpu", "--out", "scored", "--json")
_EXPORT = ("export", "run_a", "--out", "packed", "--json")
_SWEEP = ("sweep", "s.toml", "--work-dir", "sweep", "--dry-run")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file.

    Attributes:
        name: For the table.
        files: Patterns of its files in the folder of the material.
        form: How `damage` reads it.
        commands: Commands that read it.
        weight: Its share of the cases.
        before: Done in the folder before a command runs.
        is_given: Whether a user writes such files: one that is well formed and says something else is no damage.
    """

    name: str
    files: Sequence[str]
    form: str
    commands: Sequence[Command]
    weight: int
    before: Callable[[Path], None] | None = None
    is_given: bool = False


def _without_home(box: Path) -> None:
    """Let scenes be cut again."""
    shutil.rmtree(box / "home")


def _unfinished(box: Path) -> None:
    shutil.rmtree(box / "data")
    shutil.move(box / "unfinished", box / "data")


KINDS = (
    Kind(name="state.pth", files=["stopped/state.pth"], form="state", commands=[_RESUME], weight=14),
    Kind(name="cell.json", files=["stopped/cell.json"], form="json", commands=[_RESUME], weight=3),
    Kind(name="config.py", files=["stopped/config.py"], form="python", commands=[_RESUME], weight=3),
    Kind(name="metrics.jsonl", files=["stopped/metrics.jsonl"], form="jsonl", commands=[_RESUME], weight=4),
    Kind(name="data.json", files=["stopped/data.json"], form="json", commands=[_RESUME], weight=3),
    Kind(
        name="result.json",
        files=["run_a/result.json"],
        form="json",
        commands=[_SCORE, _REPORT, _COMPARE, _VERIFY, _LINT, _EVAL],
        weight=14,
    ),
    Kind(name="cell.json", files=["run_a/cell.json"], form="json", commands=[_REPORT, _VERIFY, _LINT], weight=6),
    Kind(name="metrics.jsonl", files=["run_a/metrics.jsonl"], form="jsonl", commands=[_REPORT, _VERIFY], weight=8),
    Kind(name="config.py", files=["run_a/config.py"], form="python", commands=[_VERIFY, _LINT], weight=6),
    Kind(name="data.json", files=["run_a/data.json"], form="json", commands=[_REPORT, _EVAL, _LINT], weight=4),
    Kind(name="manifest.json", files=["run_a/manifest.json"], form="json", commands=[_EXPORT, _EVAL], weight=9),
    Kind(
        name="adapter.safetensors",
        files=["run_a/adapter.safetensors"],
        form="tensors",
        commands=[_EXPORT, _EVAL, ("export", "run_a", "--merge", "--out", "merged", "--json")],
        weight=5,
    ),
    Kind(
        name="matrices (npz)",
        files=["run_a/confusions/*.npz"],
        form="npz",
        commands=[_SCORE, (*_SCORE, "--group-by", "image"), _COMPARE, _REPORT, ("score", "run_a", "--worst", "3")],
        weight=10,
    ),
    Kind(
        name="records of a sweep",
        files=["sweep/sweep.json", "sweep/**/sweep_cell.json", "sweep/**/result.json", "sweep/**/cell.json"],
        form="json",
        commands=[_SWEEP, ("report", "sweep", "--out", "page"), ("plan", "sweep", "--json")][:2],
        weight=9,
    ),
    Kind(name="sweep (TOML)", files=["s.toml"], form="toml", commands=[_SWEEP], weight=6, is_given=True),
    Kind(name="bench (TOML)", files=["mine.toml"], form="toml", commands=[_DRY], weight=10, is_given=True),
    Kind(name="bench (TOML)", files=["outlines.toml"], form="toml", commands=[_OUTLINES], weight=6, is_given=True),
    Kind(
        name="labels (GeoJSON)",
        is_given=True,
        files=["outlines.geojson"],
        form="json",
        commands=[_OUTLINES],
        weight=12,
        before=_without_home,
    ),
    Kind(
        name="rasters",
        is_given=True,
        files=["source/*/*.tif", "target/*/*.tif"],
        form="raster",
        commands=[_DRY],
        weight=10,
        before=_without_home,
    ),
    Kind(
        name="prepared tiles",
        files=["home/prepared/mine-*/**/*.json", "home/prepared/mine-*/**/*.png", "home/prepared/*.json"],
        form="json",
        commands=[
            _DRY,
            ("eval", "run_a", "--device", "cpu", "--out", "scored", "--json"),
            ("data", "clean", "--dry-run"),
        ],
        weight=14,
    ),
    Kind(
        name="weights",
        is_given=True,
        files=["nano.safetensors", "nano.pth"],
        form="tensors",
        commands=[("weights", "verify", "{file}"), (*_DRY, "--weights", "{file}")],
        weight=9,
    ),
    Kind(
        name="weights",
        is_given=True,
        files=["script.pt"],
        form="zip",
        commands=[("weights", "verify", "script.pt"), ("weights", "convert", "script.pt", "--out", "c.safetensors")],
        weight=3,
    ),
    Kind(
        name="originals (zip)",
        files=["originals/*.zip"],
        form="zip",
        commands=[PREPARE],
        weight=5,
        before=lambda box: shutil.rmtree(box / "data"),
    ),
    Kind(name="marker, journal", files=["data/**/prepared.json"], form="json", commands=[PREPARE], weight=4),
    Kind(
        name="marker, journal",
        files=["unfinished/**/journal.jsonl"],
        form="jsonl",
        commands=[PREPARE],
        weight=4,
        before=_unfinished,
    ),
    Kind(
        name="log of mmengine",
        is_given=True,
        files=["train.log", "scalars.json"],
        form="text",
        commands=[("verify", "run_a", "--against", "{file}", "--json")],
        weight=5,
    ),
    Kind(name="captions (CSV)", is_given=True, files=["captioned/t.csv"], form="text", commands=[TABLE], weight=4),
    Kind(name="captions (tar)", is_given=True, files=["captioned/t.tar"], form="bytes", commands=[SHARD], weight=5),
    Kind(name="items", is_given=True, files=["captioned/items.json"], form="json", commands=[TABLE], weight=4),
    Kind(name="captions (TOML)", is_given=True, files=["captions_csv.toml"], form="toml", commands=[TABLE], weight=4),
    Kind(name="split of scenes", is_given=True, files=["split.json"], form="json", commands=[SPLIT], weight=4),
    Kind(name="velocities", is_given=True, files=["flows/train.npy"], form="bytes", commands=[FLOW], weight=4),
    Kind(name="--set", files=[], form="set", commands=[(*TRAIN, "--work-dir", "tried")], weight=22, is_given=True),
)


def outcome(box: Path, command: Command, out: str) -> object:
    """Return the numbers that a command gave: scores that it printed, weights and tiles that it wrote."""
    verb = command[0]
    if verb == "train" and "--dry-run" not in command:
        run = box / command[command.index("--work-dir") + 1]
        return _scores(run / "result.json"), _bytes(run / "adapter.safetensors")
    if verb == "train" or command[:2] == ("data", "prepare"):
        root = box / ("home/prepared" if verb == "train" else "data")
        return {str(path.relative_to(root)): _pixels(path) for path in root.rglob("*.png")}
    if verb in ("score", "compare", "eval", "verify", "lint"):
        return _json_numbers(out)
    if verb == "export":
        return {path.name: _bytes(path) for path in sorted(box.glob("packed/*.safetensors"))}
    if verb == "report":
        page = box / "page" / "scores.csv"
        return page.read_text() if page.exists() else _NUMBER.findall(out)
    if verb == "weights" and command[1] == "convert":
        return _bytes(box / "c.safetensors")
    return _NUMBER.findall(out)


def _scores(file: Path) -> object:
    content = json.loads(file.read_text())
    return [content.get(key) for key in ("miou_pct", "iou_pct", "interval")]


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _pixels(file: Path) -> object:
    """Return the shape and bytes of an image's pixels: a file without its last bytes may still hold all of them."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(file) as image:
            pixels = np.asarray(image)
        return pixels.shape, pixels.tobytes()
    except (OSError, SyntaxError, ValueError) as error:
        return type(error).__name__


def _json_numbers(out: str) -> object:
    """Return the numbers of a printed JSON text, by place."""
    try:
        content = json.loads(out)
    except ValueError:
        return _NUMBER.findall(out)
    numbers: list[object] = []

    def walk(value: object, place: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key not in ("train_s", "iter_s_median", "finished", "seconds"):
                    walk(inner, f"{place}.{key}")
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(inner, f"{place}.{number}")
        elif isinstance(value, float):
            numbers.append((place, value))

    walk(content, "")
    return numbers
