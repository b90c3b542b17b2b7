"""The runs below some folders: finished, unfinished, failed, and what cannot be read. Loads no torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rs_adapt.errors import ConfigError

SWEEP_FILE = "sweep_cell.json"
FINISHED = "finished"
# Folders within a run that hold no runs.
_PARTS_OF_A_RUN = {"eval", "packs", "confusions", "inspect", "vis_data"}
AXES = ("bench", "setting", "method", "backbone", "head", "strategy", "seed")


class _Damage(Exception):
    """A file of a run that is not what it should be."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder.

    Attributes:
        folder: where it is.
        status: "finished", or a sweep's word ("failed", "interrupted", "running", "missing"), else "unfinished".
        cell: names by axis, `seed`, `tuned`; empty where nothing tells it.
        options: `overrides`, `weights`, ... it was started with.
        command: the command line that made it; "" where unknown.
        environment: versions, machine, commit.
        result: content of `result.json`; None where the run is not finished.
        lines: content of `metrics.jsonl`, as far as it can be read.
        error: last line of the error of a failed run.
        log: where its log lies; "" where there is none.
        attempts: how often a sweep tried it; None without a sweep.
    """

    folder: Path
    status: str
    cell: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    command: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    error: str = ""
    log: str = ""
    attempts: int | None = None

    @property
    def name(self) -> str:
        """The cell in words, or the folder where nothing tells it."""
        if not all(axis in self.cell for axis in AXES):
            return str(self.folder)
        bench, setting, method, backbone, head, strategy, seed = (str(self.cell[axis]) for axis in AXES)
        return " / ".join(
            _spelled(word) for word in (f"{bench}-{setting}", method, f"{backbone} + {head}", strategy, f"seed {seed}")
        )

    @property
    def overrides(self) -> tuple[str, ...]:
        """What was set beside the cell: `--set` and its short forms, and other base weights."""
        weights = self.options.get("weights")
        given = [str(text) for text in self.options.get("overrides") or ()]
        return (*given, *([f"weights={Path(str(weights)).name}"] if weights else []))


@dataclass(frozen=True, kw_only=True)
class Damaged:
    """A file or folder that cannot be used, and why."""

    place: Path
    why: str


@dataclass(frozen=True, kw_only=True)
class Collection:
    """All runs below the folders, ordered by folder, and what was damaged."""

    runs: tuple[Run, ...]
    damaged: tuple[Damaged, ...]

    @property
    def finished(self) -> tuple[Run, ...]:
        """Runs with a result."""
        return tuple(run for run in self.runs if run.result is not None)

    @property
    def others(self) -> tuple[Run, ...]:
        """Runs without a result."""
        return tuple(run for run in self.runs if run.result is None)


def collect(places: Sequence[Path]) -> Collection:
    """Find and read all runs below the folders; a damaged one is named and stops nothing.

    Args:
        places: Run folders, or folders above them; a run that lies below two of them counts once.

    Raises:
        ConfigError: A place is no folder, or there is no run below any.
    """
    for place in places:
        if not place.is_dir():
            raise ConfigError(
                f"There is no folder {place}. Name run folders or folders above them, such as work_dirs (what "
                "rs-adapt train writes)."
            )
    runs: list[Run] = []
    damaged: list[Damaged] = []
    for folder in _run_folders(places):
        try:
            run, found = _read(folder)
            runs.append(run)
            damaged += found
        except _Damage as error:
            damaged.append(Damaged(place=folder, why=str(error)))
    if not runs and not damaged:
        raise ConfigError(
            f"There is no run below {', '.join(map(str, places))}: no folder holds a cell.json. rs-adapt train and "
            "rs-adapt sweep write runs."
        )
    return Collection(runs=tuple(runs), damaged=tuple(damaged))


def told_failure(run: Run) -> str:
    """What is known of a run without a result, for a table."""
    if run.error:
        return run.error
    last = max((line["iter"] for line in run.lines), default=None)
    at = "" if last is None else f"; {last} iterations are in its metrics.jsonl"
    resumable = " rs-adapt train ... --resume goes on." if (run.folder / "state.pth").is_file() else ""
    return f"no result.json{at}.{resumable}"


def _spelled(name: str) -> str:
    return name.replace("_", "-")


def _run_folders(places: Iterable[Path]) -> Iterator[Path]:
    seen: set[Path] = set()
    for place in places:
        for root, folders, files in os.walk(place):
            folder = Path(root)
            is_run = "cell.json" in files or SWEEP_FILE in files
            hidden = _PARTS_OF_A_RUN if is_run else set()
            folders[:] = sorted(name for name in folders if name not in hidden and not name.startswith("."))
            if is_run and folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder


def _read(folder: Path) -> tuple[Run, list[Damaged]]:
    damaged: list[Damaged] = []
    sweep: dict[str, Any] = {}
    try:
        sweep = _table(folder / SWEEP_FILE) or {}
    except _Damage as error:
        damaged.append(Damaged(place=folder / SWEEP_FILE, why=str(error)))
    record = _table(folder / "cell.json") or {}
    result = _table(folder / "result.json")
    if result is not None:
        _check(result)
    lines, lost = _lines(folder / "metrics.jsonl", whole=result is not None)
    if lost:
        damaged.append(Damaged(place=folder / "metrics.jsonl", why=lost))
    said = sweep.get("status")
    log = str(sweep.get("log") or "") or (str(folder / "train.log") if (folder / "train.log").is_file() else "")
    known = result or record or sweep
    run = Run(
        folder=folder,
        status=FINISHED if result is not None else str(said) if said not in (None, "done") else "unfinished",
        cell=_dict(known, "cell"),
        options=_dict(record or known, "options"),
        command=str(record.get("command") or ""),
        environment=_dict(result or record, "environment"),
        result=result,
        lines=lines,
        error=str(sweep.get("error") or "") if result is None else "",
        log=log,
        attempts=sweep["attempts"] if isinstance(sweep.get("attempts"), int) else None,
    )
    return run, damaged


def _table(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _Damage(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise _Damage(f"{path.name} holds no table")
    return content


def _check(result: Mapping[str, Any]) -> None:
    """Refuse a result that tables cannot be made of."""
    cell = result.get("cell")
    if not isinstance(cell, dict) or not all(axis in cell for axis in AXES):
        raise _Damage(f"result.json names no cell: {', '.join(AXES)}")
    if not isinstance(cell["seed"], int):
        raise _Damage(f"result.json: the seed is {cell['seed']!r}, not a number")
    for key in ("miou_pct", "aacc_pct", "macc_pct", "iter_s_median", "train_s", "memory_mib_peak"):
        if not _is_number(result.get(key)):
            raise _Damage(f"result.json: {key} is {result[key]!r}, not a number")
    for key in ("iou_pct", "parameters", "interval", "protocol", "selections", "environment"):
        if not isinstance(result.get(key), dict | None):
            raise _Damage(f"result.json: {key} is no table")
    for key in ("iou_pct", "parameters"):
        if not all(_is_number(value) for value in (result.get(key) or {}).values()):
            raise _Damage(f"result.json: {key} holds something else than numbers")
    for name, one in (result.get("selections") or {}).items():
        if not isinstance(one, dict | None) or not _is_number((one or {}).get("miou_pct")):
            raise _Damage(f"result.json: selections.{name} is damaged")


def _lines(path: Path, *, whole: bool) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """The lines that can be read, and what is lost; the last line of a run that goes on may be half written."""
    try:
        texts = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return (), ""
    lines: list[Mapping[str, Any]] = []
    for number, text in enumerate(texts, 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if isinstance(line, dict) and _is_number(line.get("iter", "")):
            lines.append(line)
        elif whole or number < len(texts):
            return tuple(lines), f"line {number} cannot be read; the curves end there"
    return tuple(lines), ""


def _dict(content: Mapping[str, Any] | None, key: str) -> dict[str, Any]:
    value = (content or {}).get(key)
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
