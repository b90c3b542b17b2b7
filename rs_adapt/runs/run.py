"""A run folder as an object: its start, its training and its result. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import UnreadableFile
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    DATA_FILE,
    LOG_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    RESULT_FILE,
    STATE_FILE,
    SWEEP_CELL_FILE,
)
from rs_adapt.runs.hashes import find_changes
from rs_adapt.runs.metrics import scan_metrics
from rs_adapt.runs.records import (
    CellNames,
    Environment,
    EvaluationLine,
    Manifest,
    MetricsLine,
    PlannedCell,
    Result,
    RunOptions,
    RunStart,
    SweepCellRecord,
    TrainingLine,
    TunedValues,
    read_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.facts import ConfigNode

FINISHED = "finished"
UNFINISHED = "unfinished"
RUNNING = "running"
# A cell that a sweep plans and has not started.
NOT_STARTED = "missing"


@dataclass(frozen=True, kw_only=True)
class Damage:
    """A file or folder that cannot be used, and why."""

    place: Path
    why: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """One run folder, read once.

    Example:
        >>> run = Run.read("work_dirs/synthetic_da")  # doctest: +SKIP
        >>> run.miou_pct, run.result.iou_pct["road"]  # doctest: +SKIP
        (72.536, 67.079)

    Attributes:
        folder: The run folder.
        status: `finished`, `unfinished`, or the status that a sweep records: `running` (or killed), `interrupted`,
            `failed`, `missing` (not started).
        start: Content of `cell.json`; None where there is none.
        result: Content of `result.json`; None until the run is finished.
        metrics: Lines of `metrics.jsonl`, oldest first, as far as they can be read.
        sweep: Content of `sweep_cell.json`; None where no sweep started the run.
        planned: The cell in the plan of a sweep; None where the run lies in no sweep's folder.
        damage: Files of the run that cannot be read, apart from those without which there is no run.
        members: Of a mean of trained models, the runs that it is the mean of, as far as they were found.
    """

    folder: Path
    status: str
    start: RunStart | None = None
    result: Result | None = None
    metrics: tuple[MetricsLine, ...] = ()
    sweep: SweepCellRecord | None = None
    planned: PlannedCell | None = None
    damage: tuple[Damage, ...] = ()
    members: tuple[Run, ...] = ()

    @classmethod
    def read(cls, folder: Path | str) -> Run:
        """Read a run folder, finished or not.

        Raises:
            UnreadableFile: The folder holds no run, or `cell.json` or `result.json` is damaged.
        """
        folder = Path(folder)
        start = read_record(folder / CELL_FILE, RunStart)
        result = read_record(folder / RESULT_FILE, Result)
        sweep, damage = None, []
        try:
            sweep = read_record(folder / SWEEP_CELL_FILE, SweepCellRecord)
        except UnreadableFile as error:
            damage.append(Damage(place=folder / SWEEP_CELL_FILE, why=str(error)))
        if start is None and result is None and sweep is None and not damage:
            raise UnreadableFile(f"{folder} holds no run: {CELL_FILE} is missing. Name a folder that a run wrote.")
        lines, why = scan_metrics(folder, finished=result is not None)
        damage += [Damage(place=folder / METRICS_FILE, why=why)] if why else []
        if result is not None:
            changes = find_changes(folder, (CELL_FILE, CONFIG_FILE, DATA_FILE, METRICS_FILE, RESULT_FILE))
            damage += [Damage(place=folder, why=change) for change in changes]
        status = FINISHED if result is not None else UNFINISHED
        if result is None and sweep is not None and sweep.status not in ("", "done"):
            status = sweep.status
        return cls(
            folder=folder,
            status=status,
            start=start,
            result=result,
            metrics=lines,
            sweep=sweep,
            damage=tuple(damage),
        )

    def __repr__(self) -> str:
        """Return folder, cell, status and score in one line."""
        value, title = self.score_pct, "" if self.result is None else self.result.score_title
        score = "" if value is None else f", {title} {value:.2f} %"
        return f"<Run {self.folder}: {'' if self.name == str(self.folder) else f'{self.name}, '}{self.status}{score}>"

    @property
    def cell(self) -> CellNames | None:
        """The cell of the run; None if no file states it."""
        if self.result is not None:
            return self.result.cell
        return self.start.cell if self.start is not None else self._cell_of_sweep

    @property
    def seed(self) -> int:
        """The seed of the cell.

        Raises:
            UnreadableFile: No file states the cell.
        """
        if self.cell is None:
            raise UnreadableFile(f"No file in {self.folder} states the cell. Copy the run again, with its {CELL_FILE}.")
        return self.cell.seed

    @property
    def name(self) -> str:
        """The cell in words, else the title that a sweep gives it, else the folder."""
        cell = self.cell
        if cell is None:
            return self.title or str(self.folder)
        parts = (f"{cell.bench}-{cell.setting}", cell.method, f"{cell.backbone} + {cell.head}", cell.strategy)
        return " / ".join(part.replace("_", "-") for part in (*parts, f"seed {cell.seed}"))

    @property
    def title(self) -> str:
        """The name that a sweep gives the cell; empty without one."""
        return (self.sweep.title if self.sweep else "") or (self.planned.title if self.planned else "")

    @property
    def miou_pct(self) -> float | None:
        """Mean IoU on the reported split in percent (`ov`: hIoU); None if unfinished or not scored."""
        return None if self.result is None else self.result.miou_pct

    @property
    def score_pct(self) -> float | None:
        """The score of the run's task in percent."""
        return None if self.result is None else self.result.score_pct

    @property
    def iou_pct(self) -> Mapping[str, float | None]:
        """IoU in percent by class on the reported split; empty until the run is finished."""
        return {} if self.result is None else self.result.iou_pct

    @property
    def options(self) -> RunOptions:
        """The options that the run was started with, such as overrides and weights."""
        if self.start is not None:
            return self.start.options
        return RunOptions() if self.result is None else self.result.options

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides of the run as `key=value`, with base weights, trained weights and teacher that it came from."""
        weights, record = self.options.weights, self.start or self.result
        initial, teacher = (None, None) if record is None else (record.initialised_from, record.teacher)
        return (
            *self.options.overrides,
            *([f"weights={Path(weights).name}"] if weights else []),
            *([f"from={initial.cell.method}@{initial.iterations_before}"] if initial is not None else []),
            *([f"teacher={teacher.cell.backbone}/{teacher.cell.method}"] if teacher is not None else []),
        )

    @cached_property
    def tuned(self) -> TunedValues | None:
        """The values tuned for bench and setting that the run used; None if no file states them.

        Runs that did not record them have them in their configuration.

        Raises:
            ConfigError: The configuration is needed, and damaged.
        """
        record = self.result or self.start
        if record is None or record.tuned is not None:
            return None if record is None else record.tuned
        method = (self.config or {}).get("method")
        if not isinstance(method, dict) or not isinstance(method.get("tuned"), dict):
            return None
        from rs_adapt.config.tuned import describe_choice, without_overridden

        cell, values = record.cell, without_overridden(method["tuned"], self.options.overrides)
        chosen = describe_choice(cell.method, cell.setting, cell.bench) if values else None
        return TunedValues.model_validate({"values": values, "chosen": chosen}, strict=False)

    @property
    def command(self) -> str:
        """The command line that started the run; empty if unknown."""
        started = self.start.command if self.start else ""
        return started or (self.sweep.command if self.sweep else "")

    @property
    def environment(self) -> Environment:
        """Versions, machine and commit."""
        record = self.result or self.start
        return Environment() if record is None else record.environment

    @property
    def error(self) -> str:
        """The error that a sweep recorded; empty for a finished run."""
        return (self.sweep.error or "") if self.sweep is not None and self.result is None else ""

    @property
    def log(self) -> Path | None:
        """The path of the log; None if there is none."""
        if self.sweep is not None and self.sweep.log:
            return self.folder / self.sweep.log
        return self.folder / LOG_FILE if (self.folder / LOG_FILE).is_file() else None

    @property
    def training_lines(self) -> tuple[TrainingLine, ...]:
        """The lines of `metrics` with losses."""
        return tuple(line for line in self.metrics if isinstance(line, TrainingLine))

    @property
    def evaluations(self) -> tuple[EvaluationLine, ...]:
        """The lines of `metrics` with scores."""
        return tuple(line for line in self.metrics if isinstance(line, EvaluationLine))

    @property
    def can_resume(self) -> bool:
        """Whether the folder holds a training state to resume from."""
        return (self.folder / STATE_FILE).is_file()

    @cached_property
    def manifest(self) -> Manifest | None:
        """Content of `manifest.json` of the run's adapter pack; None until the run is finished.

        Raises:
            UnreadableFile: The file is damaged.
        """
        return read_record(self.folder / MANIFEST_FILE, Manifest)

    @cached_property
    def config(self) -> ConfigNode | None:
        """The resolved configuration in `config.py`, as plain dicts, lists and values; None where there is none.

        The file is read as data, and nothing in it is executed.

        Raises:
            ConfigError: The file is not Python, or holds anything but literals.
        """
        path = self.folder / CONFIG_FILE
        if not path.is_file():
            return None
        from rs_adapt.config.literals import read_literals

        return read_literals(path, remedy="Copy the run again.").values

    @property
    def _cell_of_sweep(self) -> CellNames | None:
        """The cell in a sweep's record or plan, for a run that has not written its own."""
        given = (
            {}
            if self.sweep is None
            else {
                key.removeprefix("cell."): value
                for key, value in self.sweep.identity.items()
                if key.startswith("cell.")
            }
        )
        given = given or ({} if self.planned is None else self.planned.model_dump(include=set(CellNames.model_fields)))
        needed = [name for name, field in CellNames.model_fields.items() if field.is_required()]
        if any(given.get(name) is None for name in needed):
            return None
        return CellNames.model_validate({name: value for name, value in given.items() if value is not None})
