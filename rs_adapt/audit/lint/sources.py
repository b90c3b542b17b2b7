"""Read the subject of lint from a cell, a config or a run folder. Nothing in a folder is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from rs_adapt import limits
from rs_adapt.audit.lint.changes import (
    ABSENT,
    ChangedKey,
    differences,
    equal_values,
    lookup,
    moves_scores,
    replace_paths,
    without_machine_paths,
)
from rs_adapt.audit.lint.subject import RunFiles, Subject
from rs_adapt.config import axes, axis_files, directions, overrides
from rs_adapt.config.cell import Cell
from rs_adapt.config.compose import compose
from rs_adapt.config.facts import ConfigNode
from rs_adapt.config.literals import parse_literals, read_literals
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.tasks import SUPER_RESOLUTION
from rs_adapt.config.tuned import values_of_0_1_0, without_overridden
from rs_adapt.documents import read_bytes
from rs_adapt.errors import ConfigError, DataNotFound, RsAdaptError
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE, LOG_FILE, MANIFEST_FILE, RESULT_FILE
from rs_adapt.runs.records import Manifest, Result, RunStart, read_record
from rs_adapt.runs.records.record import AnyRecord

_NEEDED = (
    *("cell", "bench", "protocol", "method", "model", "data_root", "prepared_dir", "train_dataloader"),
    *("val_dataloader", "val_cfg", "test_dataloader"),
)
# The axis that decides on a key that the wiring makes; longer keys first.
_WIRED = {
    "train_dataloader.dataset.unlabelled": "protocol",
    "test_dataloader": "protocol",
    "monitor": "protocol",
    "val_cfg": "protocol",
    "model.data_preprocessor": "backbone",
}
_REMEDY = "`rs-adapt show --bench ... > config.py` writes a complete one."
Origin = tuple[str, int | None]


def subject_from_cell(
    cell: Cell,
    *,
    texts: Sequence[str] = (),
    data_root: str | Path | None = None,
    weights: str | None = None,
) -> Subject:
    """Return the subject that a cell is composed to.

    Args:
        cell: The cell.
        texts: Overrides `key=value`, those of options among them.
        data_root: The folder of the data sets; default: `RS_ADAPT_DATA`, else `./data`.
        weights: Base weights, `random` or a file; default: the backbone's own.

    Raises:
        ConfigError: A file, key or value is not usable.
        IncompatibleCell: Two axis values cannot work together.
    """
    cfg = compose(cell, overrides=texts, data_root=data_root, weights=weights).to_dict()
    base = compose(cell, data_root=data_root).to_dict()
    changed = _changed(texts, cfg, base)
    if weights == "random" and lookup(base, "model.backbone.weights") != "random":
        changed.append(ChangedKey(key="model.backbone.weights", now="random", before="the backbone's file"))

    def origin(key: str) -> Origin:
        return _command_line(key, texts) or _axis_file(cell, key), None

    return Subject(title=str(cell), cfg=cfg, changed=tuple(changed), origin=origin)


def is_ours(path: Path) -> bool:
    """Return whether a path is a run folder or a configuration of rs-adapt, and not one of another program.

    Raises:
        DataNotFound: There is nothing at the path.
    """
    if not path.exists():
        raise DataNotFound(f"{path} does not exist. Name a run folder, a config or a log, or a cell with --bench.")
    file = path / CONFIG_FILE if path.is_dir() else path
    if path.is_dir() and (path / CELL_FILE).exists():
        return True
    if file.suffix != ".py" or not file.is_file():
        return False
    try:
        text = read_bytes(file, most=limits.CONFIG_BYTES).decode(errors="replace")
    except OSError:
        # The reader says what is wrong with it.
        return False
    # As `to_python` writes them; a program of others has no such names at the start of a line.
    return all(re.search(rf"^{name} = ", text, re.MULTILINE) for name in ("cell", "bench", "protocol"))


def subject_from_path(path: Path, *, data_root: str | Path | None = None) -> Subject:
    """Return the subject in a run folder or a config.

    Args:
        path: A run folder, its `config.py`, or any resolved config of Python literals.
        data_root: The folder of the data sets now; default: the one in the config.

    Raises:
        DataNotFound: There is nothing at the path.
        ConfigError: It is not a resolved config of rs-adapt, or holds code.
    """
    if not path.exists():
        raise DataNotFound(f"{path} does not exist. Name a run folder or a config, or a cell with --bench.")
    file = path / CONFIG_FILE if path.is_dir() else path
    if not file.is_file():
        raise ConfigError(f"{path} holds no config.py, so it is not a run. Name a run folder, a config, or --bench.")
    config = read_literals(file, remedy=_REMEDY)
    cfg, lines = config.values, config.lines
    if missing := [key for key in _needed(cfg) if key not in cfg]:
        raise ConfigError(
            f"{file} has no {missing[0]!r}, so it is not a resolved config of this version of rs-adapt. {_REMEDY}"
        )
    if data_root:
        new = str(Path(data_root).expanduser().resolve())
        cfg = replace_paths(cfg, {str(cfg["data_root"]): new})

    def origin(key: str) -> Origin:
        parts = key.split(".")
        plain = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
        # A strategy may be wired around the segmentor.
        names = [name for key in plain for name in (key, key.replace("model.", "model.segmentor.", 1))]
        return str(file), next((lines[name] for name in names if name in lines), None)

    cell = _cell(cfg, file)
    folder = file.parent
    start = _record(folder / CELL_FILE, RunStart)
    if start is None:
        return Subject(title=str(file), cfg=cfg, changed=tuple(_rewired(cell, cfg, file)), origin=origin)
    run, changed = _run(folder, cfg, start)
    return Subject(title=f"{folder}: {cell}", cfg=cfg, changed=changed, origin=origin, run=run)


def _needed(cfg: ConfigNode) -> Iterator[str]:
    yield from _NEEDED
    # Super-resolution has no source beside its target.
    if not isinstance(bench := cfg.get("bench"), Mapping) or bench.get("task") != SUPER_RESOLUTION:
        yield "source_val_dataloader"


def _run(folder: Path, cfg: ConfigNode, start: RunStart) -> tuple[RunFiles, tuple[ChangedKey, ...]]:
    """Compose the run's cell again and compare it with the config in the folder."""
    edited: list[ChangedKey] = []
    changed: list[ChangedKey] = []
    incomparable = ""
    options, texts = start.options, list(start.options.overrides)
    try:
        # With the bench of the config: the file of a user's own bench may be gone or changed.
        cell = _cell({**cfg, "cell": start.cell.content()}, folder / CELL_FILE)
        compose_here = partial(
            compose,
            cell,
            data_root=cfg["data_root"],
            work_dir=cfg.get("work_dir"),
            tuned_values=tuned_values_of(cfg, cell, start),
        )
        expected = compose_here(overrides=texts, weights=options.weights).to_dict()
        base = compose_here().to_dict()
        edited = differences(without_machine_paths(cfg), without_machine_paths(expected))
        changed = _changed(texts, expected, base)
    except RsAdaptError as error:
        incomparable = str(error)
    run = RunFiles(
        folder=folder,
        start=start,
        result=_record(folder / RESULT_FILE, Result),
        manifest=_record(folder / MANIFEST_FILE, Manifest),
        edited=tuple(edited),
        incomparable=incomparable,
        logged=logged_config(folder / LOG_FILE),
    )
    return run, tuple(changed)


def tuned_values_of(cfg: ConfigNode, cell: Cell, start: RunStart) -> Mapping[str, object] | None:
    """Return the tuned values that a run was started with; None for those of the method's file today."""
    values: ConfigNode = cfg["method"].get("tuned") or {}
    if start.tuned is None:
        recorded = values_of_0_1_0(cell.method, cell.setting, cell.bench) if cell.tuned else {}
        return values if values == recorded else None
    return values if without_overridden(values, start.options.overrides) == start.tuned.values else None


def _changed(texts: Sequence[str], cfg: ConfigNode, base: ConfigNode) -> list[ChangedKey]:
    keys = dict.fromkeys(override.key for override in overrides.parse(texts))
    changes = (ChangedKey(key=key, now=lookup(cfg, key), before=lookup(base, key)) for key in keys)
    return [change for change in changes if moves_scores(change.key) and not equal_values(change.now, change.before)]


def _rewired(cell: Cell, cfg: ConfigNode, file: Path) -> list[ChangedKey]:
    """Return the axis keys that a config without a record changes, and other keys that do not follow from these."""
    base = compose(cell, data_root=cfg["data_root"]).to_dict()
    changes = [
        change
        for change in differences(without_machine_paths(cfg), without_machine_paths(base))
        if moves_scores(change.key)
    ]
    owned = [change for change in changes if axis_files.owner_of(_plain_key(change.key)) and change.before != ABSENT]
    try:
        texts = [f"{_plain_key(change.key)}={change.now!r}" for change in owned if change.now != ABSENT]
        expected = compose(cell, overrides=texts, data_root=cfg["data_root"]).to_dict()
    except RsAdaptError:
        return changes
    listed = {change.key for change in owned}
    rest = differences(without_machine_paths(cfg), without_machine_paths(expected))
    return [*owned, *(change for change in rest if moves_scores(change.key) and change.key not in listed)]


def _cell(cfg: ConfigNode, file: Path) -> Cell:
    """Return the cell of a config; each of its names has a file here."""
    try:
        facts = dict(cfg["cell"])
        if own := cfg["bench"].get("own"):
            facts["bench"] = own_bench.save_content(own)
        names = {axis: axes.find(axis, str(facts[axis])) for axis in axis_files.FILE_AXES if axis != "runtime"}
        return Cell(**facts | names)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{file} describes no cell ({error!r}). {_REMEDY}") from error


def _record(path: Path, record: type[AnyRecord]) -> AnyRecord | None:
    return read_record(path, record, error=ConfigError, remedy="Copy the run again.")


def logged_config(path: Path) -> ConfigNode | None:
    """Return the last configuration in the log of a run; None where there is none that can be read."""
    try:
        text = read_bytes(path, most=limits.LOG_BYTES).decode(errors="replace")
    except OSError:
        return None
    _, separator, after = text.rpartition(" - Config:\n")
    after = re.split(r"(?m)^\d{4}/\d\d/\d\d ", after)[0]
    try:
        return parse_literals(after, file=str(path), remedy=_REMEDY).values if separator else None
    except ConfigError:
        return None


def _command_line(key: str, texts: Sequence[str]) -> str | None:
    """Return the override that sets a key, None if there is none."""
    for text in reversed(texts):
        given = text.partition("=")[0].strip()
        if key == given or key.startswith(f"{given}.") or given.startswith(f"{key}."):
            return f"--set {text}"
    return None


def _axis_file(cell: Cell, key: str) -> str:
    key = _plain_key(key)
    if key.split(".")[0] == "cell":
        return "the command line"
    wired = (axis for start, axis in _WIRED.items() if key == start or key.startswith(f"{start}."))
    axis = axis_files.owner_of(key) or next(wired, "bench")
    if axis == "runtime":
        return "configs/runtime/default.py"
    name = str(getattr(cell, axis))
    if own_bench.is_own(name):
        return name
    if axis == "bench":
        return f"configs/bench/{directions.file_stem(name)}.py"
    # A method of the library peft has its facts in one file with the others.
    return f"configs/{axis}/{name.partition(':')[0]}.py"


def _plain_key(key: str) -> str:
    return key.replace("model.segmentor.", "model.", 1)
