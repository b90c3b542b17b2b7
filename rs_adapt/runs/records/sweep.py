"""`sweep_cell.json` in a cell's folder, and `sweep.json` in the folder of a sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import Field, JsonValue

from rs_adapt.runs.records.record import FORMAT, FormatNumber, PathBelow, Record


class SweepCellRecord(Record):
    """`sweep_cell.json`: the state of a cell, as the process that runs it writes it."""

    format: FormatNumber = FORMAT
    title: str = Field(default="", description="The cell in one line.")
    status: str = Field(default="missing", description="missing, running, interrupted, failed or done.")
    digest: str = Field(default="", description="Hash of `identity`.")
    attempts: int = Field(default=0, description="How often it was started.")
    failures: int = Field(default=0, description="How often it failed.")
    wall_s: float = Field(default=0, description="Seconds over all attempts.")
    error: str | None = Field(default=None, description="The line of the log that says what went wrong.")
    exit_code: int | None = Field(default=None, description="Of the last failure.")
    ran_config_sha256: str | None = Field(default=None, description="SHA-256 of config.py when it was done.")
    log: PathBelow = Field(default="", description="File that its process prints to, relative to the cell's folder.")
    command: str = Field(default="", description="The last command line.")
    started: str | None = Field(default=None, description="Start of the last attempt, ISO 8601 with UTC offset.")
    ended: str | None = Field(default=None, description="End of the last attempt, ISO 8601 with UTC offset.")
    host: str = Field(default="", description="Machine of the last attempt.")
    pid: int | None = Field(default=None, description="Process of the last attempt.")
    identity: Mapping[str, JsonValue] = Field(default={}, description="All that changes the result, by key.")


class PlannedCell(Record):
    """A cell that a sweep plans."""

    folder: str = Field(description="Its folder, relative to the sweep's.")
    title: str = Field(default="", description="The cell in one line.")
    digest: str = Field(default="", description="Hash of all that changes the result.")
    bench: str | None = Field(default=None, description="As in cell.json.")
    setting: str | None = Field(default=None, description="As in cell.json.")
    method: str | None = Field(default=None, description="As in cell.json.")
    backbone: str | None = Field(default=None, description="As in cell.json.")
    head: str | None = Field(default=None, description="As in cell.json.")
    strategy: str | None = Field(default=None, description="As in cell.json.")
    seed: int | None = Field(default=None, description="As in cell.json.")
    tuned: bool = Field(default=True, description="As in cell.json.")
    protocol: str | None = Field(default=None, description="As in cell.json.")
    overrides: Sequence[str] = Field(default=(), description="key=value texts, in the order in which they apply.")


class SkippedCell(Record):
    """A cell that a sweep leaves out."""

    what: str = Field(default="", description="The combination in words.")
    reason: str = Field(default="", description="Why.")


class SweepPlan(Record):
    """`sweep.json`: which cells a sweep plans. States stand in the cells' own folders."""

    format: FormatNumber = FORMAT
    name: str = Field(default="", description="Name of the sweep.")
    title: str = Field(default="", description="Title of its tables.")
    file: str = Field(default="", description="Name of the sweep's TOML file.")
    cells: Sequence[PlannedCell] = Field(default=(), description="The cells.")
    skipped: Sequence[SkippedCell] = Field(default=(), description="What is left out, and why.")
