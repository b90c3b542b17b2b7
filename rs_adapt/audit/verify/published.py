"""Published scores and runs (`data/published/`), as they were printed.

Files: `*_tables.toml` hold tables of scores, `*_runs.toml` the configurations of published logs, and the files
named there in `curves` one run per line: losses, learning rates and evaluations.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from rs_adapt.audit.verify import published_files as files
from rs_adapt.audit.verify.config_tree import Facts
from rs_adapt.audit.verify.record import Evaluation, Record, TrainLine
from rs_adapt.config.paths import manifests_dir
from rs_adapt.documents import parse_toml, read_bytes
from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PublishedRow:
    """A published score; mIoU in percent.

    Attributes:
        bench: Name of the bench in rs-adapt; that of the data where there is a `domain`; empty for a mean over benches.
        setting: `da`, `dg` or `ss`.
        method: Name here where rs-adapt has the method, else its authors'; the same for `backbone`.
        head: Name here, "own" for the method's own decoder, or "" where it is not known.
        miou_pct: The score, or the mean over seeds.
        selection: "last", "oracle" (best on the target's labels) or "unknown".
        protocol: How it was measured, such as "paper" (Earth-Adapter's) or "crossearth".
        seeds_pct: Scores of the single seeds, if they are published; else empty.
        num_seeds: Number of seeds behind the score; None if that is not stated.
        iou_pct: IoU by class, if it is known.
        iteration: Iteration of the checkpoint, if it is known.
        variant: The difference from the method itself, in words; empty if there is none.
        table: Id of the table, or name of the run.
        source: The publication, and the place in it.
        issue: A contradiction to the score, in the same publication or in a different one; empty if there is none.
        note: A further remark for readers.
        mean_of: The benches that the score is the mean of; empty for a score of one bench.
        domain: What the images show, where rs-adapt has no such bench; else empty.
    """

    bench: str
    setting: str
    method: str
    backbone: str
    head: str
    miou_pct: float
    selection: str
    protocol: str
    seeds_pct: tuple[float, ...] = ()
    num_seeds: int | None = None
    iou_pct: dict[str, float] | None = None
    iteration: int | None = None
    variant: str = ""
    table: str
    source: str
    issue: str = ""
    note: str = ""
    mean_of: tuple[str, ...] = ()
    domain: str = ""


@dataclass(frozen=True, kw_only=True)
class PublishedRun:
    """A training run whose log is published.

    Attributes:
        name: Name of the run, such as `da_p2v`.
        bench: Name of the bench in rs-adapt.
        setting: `da`, `dg` or `ss`.
        method: Name of the method in rs-adapt.
        backbone: Name of the backbone in rs-adapt.
        protocol: How it was measured.
        device: The hardware that it ran on.
        source: Address of the log.
        note: A known peculiarity of the run.
        record: Configuration under the keys of rs-adapt, training lines and evaluations.
    """

    name: str
    bench: str
    setting: str
    method: str
    backbone: str
    protocol: str
    device: str
    source: str
    note: str
    record: Record

    def rows(self) -> tuple[PublishedRow, PublishedRow]:
        """Return the rows of the last evaluation and of the best one, which was chosen by the target's labels."""
        evaluations = self.record.evaluations
        best = max(evaluations, key=lambda evaluation: evaluation.miou_pct)
        return self._row(evaluations[-1], "last"), self._row(best, "oracle")

    def _row(self, evaluation: Evaluation, selection: str) -> PublishedRow:
        return PublishedRow(
            bench=self.bench,
            setting=self.setting,
            method=self.method,
            backbone=self.backbone,
            head=str((self.record.facts or {})["cell.head"]),
            miou_pct=evaluation.miou_pct,
            selection=selection,
            protocol=self.protocol,
            num_seeds=1,
            iou_pct=evaluation.iou_pct,
            iteration=evaluation.iteration,
            table=self.name,
            source=self.source,
            note=self.note,
        )


def published_dir() -> Path:
    """Return the folder of the published numbers."""
    return manifests_dir() / "published"


@functools.cache
def published_runs() -> tuple[PublishedRun, ...]:
    """Return the runs whose logs are published.

    Raises:
        ConfigError: A file is damaged.
    """
    runs: list[PublishedRun] = []
    for path in sorted(published_dir().glob("*_runs.toml")):
        try:
            file = files.RunsFile.model_validate(parse_toml(read_bytes(path)))
            lines = (path.parent / file.curves).read_text(encoding="utf-8").splitlines()
            curves = {curve.run: curve for curve in map(files.LoggedCurves.model_validate_json, lines)}
            runs += [_run(logged, file, curves[logged.name]) for logged in file.runs]
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(path, error) from error
    return tuple(runs)


@functools.cache
def published_tables() -> tuple[files.PrintedTable, ...]:
    """Return the published tables as the files hold them.

    Raises:
        ConfigError: A file is damaged.
    """
    tables: list[files.PrintedTable] = []
    for path in sorted(published_dir().glob("*_tables.toml")):
        try:
            tables += files.TablesFile.model_validate(parse_toml(read_bytes(path))).tables
        except (OSError, ValueError) as error:
            raise _damaged(path, error) from error
    return tuple(tables)


@functools.cache
def published_rows() -> tuple[PublishedRow, ...]:
    """Return all published scores: last and best of each published log, then the rows of the tables.

    Raises:
        ConfigError: A file is damaged.
    """
    rows = [row for run in published_runs() for row in run.rows()]
    for table in published_tables():
        for printed in table.rows:
            rows += _rows(table, printed)
    return tuple(rows)


def find_rows(*, bench: str, setting: str, method: str, backbone: str) -> tuple[PublishedRow, ...]:
    """Return the published scores of a cell, those from logs first.

    Raises:
        ConfigError: Nothing is published for the cell; the text lists what is published for the bench.
    """
    ours = [row for row in published_rows() if row.bench and not row.domain]
    of_bench = [row for row in ours if row.bench == bench]
    of_cell = [row for row in of_bench if (row.setting, row.method, row.backbone) == (setting, method, backbone)]
    if plain := tuple(row for row in of_cell if not row.variant):
        return plain
    wanted = f"{bench.replace('_', '-')}-{setting} with the method {method} on {backbone}"
    if not of_bench:
        benches = ", ".join(sorted({row.bench for row in ours}))
        raise ConfigError(
            f"There are no published scores for {wanted}, or for anything else on this bench. Benches with "
            f"scores: {benches}."
        )
    published = sorted({f"{row.setting} {row.method} on {row.backbone}" for row in of_bench if not row.variant})
    raise ConfigError(
        f"There are no published scores for {wanted}. Published for this bench: {'; '.join(published)}. To compare "
        "with a log, name it: --against LOG."
    )


def seed_spread(bench: str) -> tuple[float, PublishedRow]:
    """Return the widest published range over seeds in points, for this bench if it has one, else for any.

    Raises:
        ConfigError: A file is damaged.
    """
    rows = [row for row in published_rows() if row.seeds_pct]
    rows = [row for row in rows if row.bench == bench] or rows
    widest = max(rows, key=lambda row: max(row.seeds_pct) - min(row.seeds_pct))
    return max(widest.seeds_pct) - min(widest.seeds_pct), widest


def _rows(table: files.PrintedTable, printed: files.PrintedRow) -> list[PublishedRow]:
    rows = []
    for column, benches in enumerate(table.benches):
        mean_of = () if isinstance(benches, str) else tuple(benches)
        seeds = tuple(printed.seeds_pct[column]) if printed.seeds_pct else ()
        row = PublishedRow(
            bench=benches if isinstance(benches, str) else "",
            setting=table.setting,
            method=printed.method,
            backbone=printed.backbone or table.backbone or "",
            head=table.head,
            miou_pct=printed.miou_pct[column],
            selection=table.selection,
            protocol=table.protocol,
            seeds_pct=seeds,
            num_seeds=len(seeds) or table.num_seeds,
            variant=printed.variant,
            table=table.id,
            source=table.source,
            issue=printed.issue,
            note=" ".join(text for text in (table.note, printed.note) if text),
            mean_of=mean_of,
            domain=table.domain,
        )
        rows.append(row)
        if printed.gain_pct and table.gain_over:
            gain = printed.gain_pct[column]
            note = f"{row.method}'s {row.miou_pct} less the printed gain of {gain}."
            rows.append(replace(row, method=table.gain_over, miou_pct=round(row.miou_pct - gain, 1), note=note))
    return rows


def _run(logged: files.LoggedRun, file: files.RunsFile, curves: files.LoggedCurves) -> PublishedRun:
    scores, train = curves.evaluations, curves.train
    # A log prints the classes in index order.
    facts: Facts = {**file.config_of(logged), "bench.classes": list(scores.iou_pct)}
    evaluations = []
    for place, iteration in enumerate(scores.iter):
        iou = {name: values[place] for name, values in scores.iou_pct.items()}
        evaluations.append(Evaluation(iteration=iteration, miou_pct=scores.miou_pct[place], iou_pct=iou))
    columns = zip(train.iter, train.lr, train.loss, strict=True)
    record = Record(
        name=f"{logged.name} of {file.source}",
        facts=facts,
        train=tuple(TrainLine(iteration=iteration, lr=lr, loss=loss) for iteration, lr, loss in columns),
        evaluations=tuple(evaluations),
        lr_digits=4,
        loss_window="mean of the last 10 iterations",
    )
    return PublishedRun(
        name=logged.name,
        bench=logged.bench,
        setting=logged.setting,
        method=file.method,
        backbone=file.backbone,
        protocol=file.protocol,
        device=logged.device,
        source=file.source,
        note=logged.note,
        record=record,
    )


def _damaged(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"{path} is damaged: {error!r}. It is part of rs-adapt: install rs-adapt again.")
