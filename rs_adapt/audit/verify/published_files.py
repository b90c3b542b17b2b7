"""The files of `data/published/`: tables of scores, and runs whose logs are published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PrintedRow(_Strict):
    """A row of a table, with a value for each bench of the table; mIoU in percent."""

    method: str
    miou_pct: Sequence[float]
    seeds_pct: Sequence[Sequence[float]] | None = None
    mean_pct: float | None = None
    gain_pct: Sequence[float] | None = None
    backbone: str | None = None
    variant: str = ""
    issue: str = ""
    note: str = ""


class PrintedTable(_Strict):
    """A table of `*_tables.toml`; `backbone` is in the rows where it differs between them.

    A column is one bench, or several of which the score is the mean. With a `domain`, such as "street scenes", benches
    are names of data that rs-adapt has no bench for.
    """

    id: str
    title: str
    source: str
    protocol: str
    selection: str
    setting: str
    benches: Sequence[str | Sequence[str]]
    rows: Sequence[PrintedRow]
    domain: str = ""
    backbone: str | None = None
    head: str = ""
    num_seeds: int | None = None
    gain_over: str | None = None
    note: str = ""


class TablesFile(_Strict):
    """A file `*_tables.toml`."""

    tables: Sequence[PrintedTable]


class LoggedRun(_Strict):
    """A run of `*_runs.toml`, with the values that its configuration does not share with the others'."""

    name: str
    bench: str
    setting: str
    device: str
    note: str = ""
    config: Mapping[str, JsonValue]


class RunsFile(_Strict):
    """A file `*_runs.toml`; configurations are under the keys of a resolved configuration of rs-adapt."""

    curves: str
    source: str
    protocol: str
    method: str
    backbone: str
    config: Mapping[str, JsonValue]
    config_da: Mapping[str, JsonValue] = Field(default={})
    config_dg: Mapping[str, JsonValue] = Field(default={})
    runs: Sequence[LoggedRun]

    def config_of(self, run: LoggedRun) -> dict[str, JsonValue]:
        """Return all values of a run's configuration."""
        of_setting = {"da": self.config_da, "dg": self.config_dg}.get(run.setting, {})
        return {**self.config, **of_setting, **run.config}


class TrainColumns(_Strict):
    """Training lines of a log, a list for each column."""

    iter: Sequence[int]
    lr: Sequence[float]
    loss: Sequence[float]
    iter_s: Sequence[float]
    memory_mib: Sequence[int]


class EvaluationColumns(_Strict):
    """Evaluations of a log, a list for each column; percent."""

    iter: Sequence[int]
    miou_pct: Sequence[float]
    aacc_pct: Sequence[float]
    macc_pct: Sequence[float]
    iou_pct: Mapping[str, Sequence[float]]


class LoggedCurves(_Strict):
    """A line of the file that `curves` names: the log of one run."""

    run: str
    train: TrainColumns
    evaluations: EvaluationColumns
