"""The files of a finished run, read as data, and its configuration composed again from the shipped files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rs_adapt.audit.lint.changes import replace_paths
from rs_adapt.audit.lint.sources import tuned_values_of
from rs_adapt.config import axes, axis_files
from rs_adapt.config.cell import Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.facts import ConfigNode
from rs_adapt.config.literals import read_literals
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.tasks import SUPER_RESOLUTION, TASKS
from rs_adapt.errors import ConfigError, RsAdaptError, ScoresError
from rs_adapt.runs.files import (
    CELL_FILE,
    CONFIG_FILE,
    DATA_FILE,
    HASHES_FILE,
    MANIFEST_FILE,
    METRICS_FILE,
    RESULT_FILE,
)
from rs_adapt.runs.metrics import scan_metrics
from rs_adapt.runs.records import (
    DataRecord,
    HashesRecord,
    Manifest,
    MetricsLine,
    Result,
    RunStart,
    read_record,
)
from rs_adapt.scores.contradictions import matrix_files
from rs_adapt.scores.per_image import PerImage

_REMEDY = "Copy the run again."


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A finished run to check.

    Attributes:
        folder: The run folder, or the unpacked files of a bundle.
        start: Content of `cell.json`.
        result: Content of `result.json`.
        manifest: Content of `manifest.json`; None where there is none.
        data: Content of `data.json`; None where there is none.
        hashes: Content of `hashes.json`; None where there is none.
        lines: Lines of `metrics.jsonl`.
        damage: What of `metrics.jsonl` cannot be read; empty if all can.
        config: Content of `config.py`.
        expected: What the run's cell and overrides compose to with the shipped files; None if they cannot be composed.
        not_composed: Why they cannot be composed.
        matrices: The stored matrices by file.
        no_matrices: Why matrices that the result names cannot be read, by file.
        trains: Whether the method has parameters, without which there are no training lines.
    """

    folder: Path
    start: RunStart
    result: Result
    manifest: Manifest | None
    data: DataRecord | None
    hashes: HashesRecord | None
    lines: tuple[MetricsLine, ...]
    damage: str
    config: ConfigNode
    expected: ConfigNode | None
    not_composed: str
    matrices: dict[str, PerImage]
    no_matrices: dict[str, str]
    trains: bool

    @property
    def is_super_resolution(self) -> bool:
        """Whether the run learned fine images from coarse ones."""
        return self.start.cell.setting in TASKS[SUPER_RESOLUTION].settings


def read_subject(folder: Path, *, data_root: Path | None = None) -> Subject:
    """Read the files of a finished run. Nothing in the folder is executed.

    Args:
        folder: The run folder.
        data_root: Folder of the data sets now; where the configuration says.

    Raises:
        ConfigError: The folder holds no finished run, or a file without which there is none is damaged.
    """
    start = read_record(folder / CELL_FILE, RunStart, error=ConfigError, remedy=_REMEDY)
    if start is None or not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            f"{folder} is not a run folder: it needs {CELL_FILE} and {CONFIG_FILE}. Name the folder that "
            "`rs-adapt train` wrote (--work-dir), or a bundle of `rs-adapt share`."
        )
    result = read_record(folder / RESULT_FILE, Result, error=ConfigError, remedy=_REMEDY)
    if result is None:
        raise ConfigError(
            f"{folder} holds no {RESULT_FILE}: the run is not finished, so there is no result to check. Continue it "
            "with --resume, or compare its curves: --against."
        )
    config = read_literals(folder / CONFIG_FILE, remedy=_REMEDY).values
    if data_root is not None:
        config = replace_paths(config, {str(config.get("data_root")): str(data_root.expanduser().resolve())})
    lines, damage = scan_metrics(folder, finished=True)
    manifest = read_record(folder / MANIFEST_FILE, Manifest, error=ConfigError, remedy=_REMEDY)
    network = None if manifest is None else manifest.network
    # Interpolation of images has nothing to train.
    trains = network is None or network.trains
    if trains and not damage and not (folder / METRICS_FILE).is_file():
        damage = "there is no such file"
    expected, not_composed = _compose(folder, start, config)
    matrices, no_matrices = _read_matrices(folder, result)
    return Subject(
        folder=folder,
        start=start,
        result=result,
        manifest=manifest,
        data=read_record(folder / DATA_FILE, DataRecord, error=ConfigError, remedy=_REMEDY),
        hashes=read_record(folder / HASHES_FILE, HashesRecord, error=ConfigError, remedy=_REMEDY),
        lines=lines,
        damage=damage,
        config=config,
        expected=expected,
        not_composed=not_composed,
        matrices=matrices,
        no_matrices=no_matrices,
        trains=trains,
    )


def _compose(folder: Path, start: RunStart, config: ConfigNode) -> tuple[ConfigNode | None, str]:
    try:
        facts = start.cell.content()
        # The file of a user's own bench may be gone or changed, so its content comes from the configuration.
        if own := config.get("bench", {}).get("own"):
            facts["bench"] = own_bench.save_content(own)
        names = {axis: axes.find(axis, str(facts[axis])) for axis in axis_files.FILE_AXES if axis != "runtime"}
        cell = Cell(**facts | names)
        cfg = compose(
            cell,
            overrides=list(start.options.overrides),
            data_root=config.get("data_root"),
            work_dir=config.get("work_dir") or folder,
            weights=start.options.weights,
            tuned_values=tuned_values_of(config, cell, start),
        )
        content: ConfigNode = cfg.to_dict()
    except (RsAdaptError, LookupError, TypeError, AttributeError) as error:
        return None, f"the cell cannot be composed with the files of this version: {error}"
    return content, ""


def _read_matrices(folder: Path, result: Result) -> tuple[dict[str, PerImage], dict[str, str]]:
    matrices, failed = {}, {}
    for file in dict.fromkeys(matrix_files(result).values()):
        try:
            matrices[file] = PerImage.load(folder / file)
        except ScoresError as error:
            failed[file] = str(error)
    return matrices, failed
