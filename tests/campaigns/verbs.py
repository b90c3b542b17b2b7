"""Small runs of the verbs that write files, with what they write, for campaigns that break them off."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# What differs between two runs that are equal: times, identifiers, and the attempts of a sweep.
TIMES = frozenset(
    {"run_id", "train_s", "iter_s", "iter_s_median", "created", "finished", "started", "ended", "wall_s", "command"}
    | {"pid", "host", "attempts", "failures", "error", "exit_code"}
    # Times of change of the scenes, which are copied for every kill; the checkout, which may be worked on meanwhile.
    | {"raw", "git"}
)
LOGS = ("train.log", "sweep.log", "vis_data", "tensorboard")
# Files whose hash in `hashes.json` depends on times.
TIMED_FILES = ("result.json", "manifest.json", "metrics.jsonl", "cell.json")

_TINY = (
    *("--iters", "4", "--num-workers", "0", "--device", "cpu", "--logger", "none"),
    *("--set", "bench.schedule.eval_every=2", "--set", "protocol.label_free_tiles=1"),
)
_SCENES = (
    *("--set", "bench.prepare.scenes.train=1", "--set", "bench.prepare.scenes.val=1"),
    *("--set", "bench.prepare.scenes.test=1", "--set", "bench.prepare.size_px=128"),
)
_DA = ("train", "--bench", "synthetic-da", *_TINY, *_SCENES, "--set", "strategy.warmup_iters=1")
_DG = ("train", "--bench", "synthetic-dg", *_TINY, *_SCENES, "--method", "lora")

_SWEEP = """
name = "small"
bench = "synthetic-dg"
backbone = "dinov2-nano"
head = "linear"
method = ["lora", "bitfit"]
iters = 2
set = [
    "bench.schedule.eval_every=1", "runtime.num_workers=0", "protocol.label_free_tiles=1",
    "bench.prepare.scenes.train=1", "bench.prepare.scenes.val=1", "bench.prepare.scenes.test=1",
    "bench.prepare.size_px=128",
]
"""
_BENCH = """
name = "mine"
tile_px = 32
[[class]]
name = "field"
colour = "#C8C8C8"
[[class]]
name = "forest"
colour = "#28A028"
[source]
images = "src"
val_share = 0.5
[source.labels]
path = "labels"
[source.labels.classes]
field = [0]
forest = [1]
[target]
images = "tgt"
"""


@dataclass(frozen=True, kw_only=True)
class Verb:
    """A verb with its options.

    Attributes:
        name: Name in the table.
        arguments: Command line, with `{here}` for a folder of its own.
        outputs: Paths below the folder that it writes, which are compared.
        before: Command lines that are run first, once; their files are copied for every kill.
        files: Texts by path that lie in the folder before.
        again: Added to the same command where it is refused because the first one was broken off; tried in order.
        home: Whether `RS_ADAPT_HOME` lies in the folder, and not in one that all share.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    before: tuple[tuple[str, ...], ...] = ()
    files: Mapping[str, str] = ()  # type: ignore[assignment]
    again: tuple[str, ...] = ()
    home: bool = False


_RUN = ("--work-dir", "{here}/run")
VERBS = (
    Verb(name="train da", arguments=(*_DA, *_RUN), outputs=("run",), again=("--resume",)),
    Verb(name="train dg", arguments=(*_DG, *_RUN), outputs=("run",), again=("--resume",)),
    Verb(
        name="train --overwrite",
        arguments=(*_DG, *_RUN, "--overwrite"),
        outputs=("run",),
        before=((*_DG, *_RUN),),
    ),
    Verb(
        name="sweep",
        arguments=("sweep", "{here}/small.toml", "--launcher", "inline", "--work-dir", "{here}/runs"),
        outputs=("runs",),
        files={"small.toml": _SWEEP},
    ),
    Verb(
        name="data prepare",
        arguments=("data", "prepare", "{here}/bench.toml", "--jobs", "1"),
        outputs=("home",),
        files={"bench.toml": _BENCH},
        home=True,
    ),
    Verb(
        name="eval",
        arguments=("eval", "{here}/run", "--split", "test", "--overlays", "1", "--device", "cpu"),
        outputs=("run/eval",),
        before=((*_DG, *_RUN),),
    ),
    Verb(
        name="export",
        arguments=("export", "{here}/run", "--out", "{here}/pack"),
        outputs=("pack",),
        before=((*_DG, *_RUN),),
        again=("--overwrite",),
    ),
    Verb(
        name="export --merge",
        arguments=("export", "{here}/run", "--merge", "--out", "{here}/merged", "--overwrite"),
        outputs=("merged",),
        before=((*_DG, *_RUN), ("export", "{here}/run", "--merge", "--out", "{here}/merged")),
    ),
    Verb(
        name="report",
        arguments=("report", "{here}/run", "--out", "{here}/report"),
        outputs=("report",),
        before=((*_DG, *_RUN),),
        again=("--overwrite",),
    ),
)


def write_files(verb: Verb, folder: Path) -> None:
    """Write what lies in the folder of a verb before anything is run."""
    for name, text in dict(verb.files).items():
        (folder / name).write_text(text)
    if verb.home:
        rng = np.random.default_rng(0)
        for name in ("src/a.png", "src/b.png", "tgt/c.png"):
            classes = np.kron(rng.integers(0, 2, (8, 8), dtype=np.uint8), np.ones((8, 8), np.uint8))
            (folder / name).parent.mkdir(exist_ok=True)
            Image.fromarray(np.stack([40 + 80 * classes] * 3, axis=-1)).save(folder / name)
            if name.startswith("src"):
                (folder / "labels").mkdir(exist_ok=True)
                Image.fromarray(classes).save(folder / "labels" / Path(name).name)


def contents(verb: Verb, folder: Path) -> dict[str, str]:
    """Return a digest of every file that a verb wrote, by path; times, identifiers and logs are left out."""
    # Temporary names beside the outputs must be gone.
    digests = {path.name: "left" for path in folder.glob(".*") if not path.name.endswith(".lock")}
    for output in verb.outputs:
        for path in sorted((folder / output).rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_dir() or path.name.endswith(".lock") or any(part in LOGS for part in path.parts):
                continue
            digests[name] = hashlib.sha256(_stable_bytes(path)).hexdigest()[:16]
    return digests


def _stable_bytes(path: Path) -> bytes:
    if path.suffix == ".jsonl":
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return json.dumps(_without_times(lines)).encode()
    if path.suffix != ".json":
        # A report states when it was made.
        return re.sub(rb"\d{4}-\d\d-\d\d \d\d:\d\d UTC", b"", path.read_bytes())
    content = json.loads(path.read_text())
    if path.name == "hashes.json":
        content["files"] = {
            name: value for name, value in content["files"].items() if Path(name).name not in TIMED_FILES
        }
    return json.dumps(_without_times(content)).encode()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [_without_times(inner) for inner in value] if isinstance(value, list) else value


def copy_start(start: Path, folder: Path) -> None:
    """Make a folder for one run of a verb from what lies there before."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(start, folder, symlinks=True)
