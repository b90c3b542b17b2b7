"""The files of a run folder, read so that a damaged one is told and never believed. Loads no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AXES = ("bench", "setting", "method", "backbone", "head", "strategy", "seed")


class UnreadableFile(Exception):
    """A file of a run that is not what it should be."""


def read_table(path: Path) -> dict[str, Any] | None:
    """Content of a JSON file that holds an object; None where there is no file.

    Raises:
        UnreadableFile: It is damaged, or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UnreadableFile(f"{path.name} holds no table")
    return content


def check_result(result: Mapping[str, Any]) -> None:
    """Refuse a `result.json` that tables cannot be made of.

    Raises:
        UnreadableFile: Names what is wrong.
    """
    cell = result.get("cell")
    if not isinstance(cell, dict) or not all(axis in cell for axis in AXES):
        raise UnreadableFile(f"result.json names no cell: {', '.join(AXES)}")
    if not isinstance(cell["seed"], int):
        raise UnreadableFile(f"result.json: the seed is {cell['seed']!r}, not a number")
    for key in ("miou_pct", "aacc_pct", "macc_pct", "iter_s_median", "train_s", "memory_mib_peak"):
        if not _is_number(result.get(key)):
            raise UnreadableFile(f"result.json: {key} is {result[key]!r}, not a number")
    for key in ("iou_pct", "parameters", "interval", "protocol", "selections", "environment"):
        if not isinstance(result.get(key), dict | None):
            raise UnreadableFile(f"result.json: {key} is no table")
    for key in ("iou_pct", "parameters"):
        if not all(_is_number(value) for value in (result.get(key) or {}).values()):
            raise UnreadableFile(f"result.json: {key} holds something else than numbers")
    for name, one in (result.get("selections") or {}).items():
        if not isinstance(one, dict | None) or not _is_number((one or {}).get("miou_pct")):
            raise UnreadableFile(f"result.json: selections.{name} is damaged")
        if not isinstance((one or {}).get("confusions"), str | None):
            raise UnreadableFile(f"result.json: selections.{name}.confusions is no name of a file")


def read_lines(path: Path, *, whole: bool) -> tuple[tuple[Mapping[str, Any], ...], str]:
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


def _is_number(value: Any) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
