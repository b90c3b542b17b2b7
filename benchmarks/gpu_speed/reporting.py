"""The files of the benchmark: a line of JSON for each form as soon as it is measured, and a table in Markdown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gpu_speed.parts import PARTS
from rs_adapt.files import make_output_folder

HEADER = [
    *(
        "backbone",
        "method",
        "setting",
        "precision",
        "form",
        "images/s",
        "iterations/s",
        "ms an iteration: median (range)",
    ),
    *("time, ours = 1", "peak MiB", "MFU %", "loss as ours", "compile s"),
]
PART_HEADER = ["work", "form", *PARTS, "the step", "GPU idle", "host waits, first places"]

Line = dict[str, Any]


class Report:
    """Writes `lines.jsonl` and `table.md` of a folder; both are complete after each line.

    Args:
        folder: The folder, which is made; files of an earlier report in it are replaced.
        facts: What was measured on, and how; the first line of the JSON.

    Raises:
        ConfigError: The folder cannot be made.
    """

    def __init__(self, folder: Path, facts: Line) -> None:
        make_output_folder(folder)
        self.json, self.table = folder / "lines.jsonl", folder / "table.md"
        self.facts, self.lines = facts, [facts]
        self.json.write_text(json.dumps(facts) + "\n", encoding="utf-8")

    def add(self, line: Line) -> None:
        """Write a line of a measured or failed form."""
        self.lines.append(line)
        with self.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.table.write_text(self.markdown(), encoding="utf-8")

    def finish(self, not_reached: list[str]) -> None:
        """Write which work was not reached."""
        self.add({"not_reached": not_reached})

    def markdown(self) -> str:
        """Return tables of speed, parts and operators, and lists of what failed and what was not reached."""
        measured = [line for line in self.lines[1:] if "ms" in line and "failed" not in line]
        text = [self.facts["summary"], "", *_table(HEADER, [_speed_row(line) for line in measured])]
        text += ["", "Milliseconds by part, medians of steps with marks between the parts:", ""]
        text += _table(PART_HEADER, [_part_row(line) for line in measured if "parts_ms" in line])
        for line in measured:
            if "operators" in line:
                text += ["", f"Operators of {line['work']}, {line['form']}:", ""]
                text += _table(
                    ["operator", "calls", "ms", "%"],
                    [
                        [f"`{row['operator'][:90]}`", str(row["calls"]), f"{row['ms']:.2f}", f"{row['share_pct']:.1f}"]
                        for row in line["operators"]
                    ],
                )
        if failed := [f"- {line['work']}, {line['form']}: {line['failed']}" for line in self.lines if "failed" in line]:
            text += ["", "Failed:", "", *failed]
        if names := [name for line in self.lines for name in line.get("not_reached", [])]:
            text += ["", f"Not reached: {', '.join(names)}."]
        return "\n".join(text) + "\n"


def describe(line: Line) -> str:
    """Return a line for the screen."""
    if "failed" in line:
        return f"{line['work']}  {line['form']}: failed, {line['failed']}"
    numbers = [f"{line['ms']['median']:.1f} ms", f"{line['images_per_s']:.1f} images/s"]
    if line.get("mfu_pct") is not None:
        numbers.append(f"MFU {line['mfu_pct']:.0f} %")
    if "loss_agrees" in line:
        numbers.append("starts at the loss of ours" if line["loss_agrees"] else "STARTS AT A DIFFERENT LOSS")
    return f"{line['work']}  {line['form']}: {', '.join(numbers)}"


def _speed_row(line: Line) -> list[str]:
    times, agrees = line["ms"], line.get("loss_agrees")
    return [
        *line["work"].split("/")[:4],
        line["form"],
        f"{line['images_per_s']:.1f}",
        f"{line['iterations_per_s']:.2f}",
        f"{times['median']:.1f} ({times['min']:.1f} to {times['max']:.1f})",
        _number(line["times_ours"], 2),
        _number(line.get("peak_mib"), 0),
        _number(line.get("mfu_pct"), 1),
        "-" if agrees is None else f"{'yes' if agrees else 'NO'} ({line['loss_difference']:.0e})",
        _number(line.get("compile_s"), 1),
    ]


def _part_row(line: Line) -> list[str]:
    parts = line["parts_ms"]
    places = ", ".join(f"{place} x {count}" for place, count in line.get("sync_places", {}).items())
    waits = "-" if line["host_syncs"] is None else f"{line['host_syncs']}: {places}"
    if line.get("unstated_syncs"):
        waits += f"; NOT STATED: {', '.join(line['unstated_syncs'])}"
    return [
        line["work"],
        line["form"],
        *(f"{parts[part]:.1f}" for part in PARTS),
        f"{parts['step']:.1f}",
        _number(line["gap_ms"], 1),
        waits,
    ]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
