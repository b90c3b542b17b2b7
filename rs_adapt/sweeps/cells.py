"""The cells of a sweep: axes crossed, skip rules applied, every cell composed and hashed."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import axes, compose, option_texts, resolve_cell
from rs_adapt.config.bench_names import SETTINGS, bench_families
from rs_adapt.config.cell import Cell, default_run_dir
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.phases import check_phases
from rs_adapt.config.sameness import settings_sha256
from rs_adapt.config.wire_regions import option_of_run
from rs_adapt.errors import ConfigError, IncompatibleCell, UnknownName
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.clearing import holds_run
from rs_adapt.runs.files import CONFIG_FILE
from rs_adapt.runs.locking import is_run_locked
from rs_adapt.sweeps.arguments import NAMED_AXES, train_arguments
from rs_adapt.sweeps.buildable import CheckCell, check_peft_options
from rs_adapt.sweeps.data import DataFingerprints, Fingerprints
from rs_adapt.sweeps.identity import Identity, config_identity, hash_identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rs_adapt.sweeps.spec import CellGroup, SkipRule, Spec


@dataclass(frozen=True, kw_only=True)
class SweepCell:
    """A cell of a sweep.

    Args:
        name: Path of the cell's folder below the sweep's, with `/`.
        cell: The names.
        folder: The run folder, absolute.
        older_folder: Where versions before 0.2 put the run: inside the folder of the cell without the group's name;
            None for cells of no named group.
        overrides: `key=value` texts.
        arguments: Arguments of `rs-adapt train`, without `--resume`.
        identity: All that changes the result; see `config_identity`.
        config_text: The resolved configuration, as the run folder will have it.
        iters: Training iterations.
        data_fingerprints: Looks at the data of the cells of a sweep.
    """

    name: str
    cell: Cell
    folder: Path
    older_folder: Path | None
    overrides: tuple[str, ...]
    arguments: tuple[str, ...]
    identity: Identity
    config_text: str
    iters: int
    data_fingerprints: DataFingerprints = field(repr=False, compare=False)

    @property
    def present_folder(self) -> Path:
        """The folder that holds the run: `folder`, or where a sweep of an older version has left it."""
        older = self.older_folder
        return older if older is not None and holds_run(older) and not holds_run(self.folder) else self.folder

    def move_to_folder(self) -> None:
        """Move a run that an older version has left inside a different run, unless a process writes into it."""
        place = self.present_folder
        if place != self.folder and not is_run_locked(place) and not self.folder.exists():
            place.rename(self.folder)

    @functools.cached_property
    def digest(self) -> str:
        """Hash of the identity."""
        return hash_identity(self.identity)

    @functools.cached_property
    def fingerprints(self) -> Fingerprints:
        """Fingerprints of the data that are there now, by role; found out once."""
        return self.data_fingerprints.of_config(self.config_text)

    @functools.cached_property
    def config_sha256(self) -> str:
        """Hash of the settings that change the result; a run can only be resumed under the same ones."""
        return settings_sha256(self.config_text, file=CONFIG_FILE)

    def __str__(self) -> str:
        """Return the cell's line, with the name of its group if it has one."""
        group = self.folder.name.partition("-")[2]
        return f"{self.cell} / {group}" if group else str(self.cell)


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A combination that is not run, and the reason."""

    what: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Expansion:
    """All cells of a sweep, the skipped combinations, and remarks about the file."""

    cells: tuple[SweepCell, ...]
    skipped: tuple[Skipped, ...]
    remarks: tuple[str, ...]


def expand(
    spec: Spec, *, folder: Path, data_root: str | None = None, check: CheckCell = check_peft_options
) -> Expansion:
    """Cross the axes of a sweep and compose every cell, seed by seed.

    Args:
        spec: The sweep.
        folder: Folder of the sweep; cells are below it.
        data_root: Folder of the data sets; by default the file's.
        check: A further check of each cell.

    Raises:
        UnknownName: A value of an axis does not exist; the text names file and key.
        ConfigError: An override cannot be used, a cell ends before its warm-up, two cells are the same, or no cell is
            left.
    """
    skipped: list[Skipped] = []
    cells: dict[str, SweepCell] = {}
    used: set[str] = set()
    data = DataFingerprints()
    use_plugins(spec.plugins)
    for group in spec.groups:
        _check_names(spec, group.axes, group.where)
    for rule in spec.skip:
        _check_names(spec, rule.axes, rule.where)
    for group in spec.groups:
        for cell in _cross_axes(spec, group, skipped):
            matching = next((rule for rule in spec.skip if _applies(rule, cell)), None)
            if matching is not None:
                used.add(matching.where)
                skipped.append(Skipped(what=str(cell), reason=matching.reason))
                continue
            try:
                composed = _compose_cell(
                    spec, group, cell, folder=folder, data_root=data_root or spec.data_root, data=data, check=check
                )
            except IncompatibleCell as error:
                skipped.append(Skipped(what=str(cell), reason=str(error)))
                continue
            if composed.name in cells:
                raise ConfigError(
                    f"{spec.file}: {cell} appears twice{f', the second time in {group.where}' if group.where else ''}"
                    f"{f', under the name {group.name} again' if group.name else ''}. Remove one, or give an "
                    "[[include]] a name of its own."
                )
            cells[composed.name] = composed
    if not cells:
        first_reason = f" The first reason: {skipped[0].reason}" if skipped else ""
        raise ConfigError(f"{spec.file}: all {len(skipped)} cells are skipped.{first_reason}")
    remarks = [f"{rule.where} skips nothing: it matches no cell." for rule in spec.skip if rule.where not in used]
    # Seed by seed, so that a sweep that stops early has complete tables for fewer seeds.
    ordered = sorted(cells.values(), key=lambda cell: cell.cell.seed)
    return Expansion(cells=tuple(ordered), skipped=tuple(skipped), remarks=tuple(remarks))


def _cross_axes(spec: Spec, group: CellGroup, skipped: list[Skipped]) -> Iterator[Cell]:
    values = group.axes
    for bench, setting in itertools.product(values["bench"], values.get("setting", (None,))):
        try:
            directions = _select_directions(spec, group, bench, setting)
        except IncompatibleCell as error:
            skipped.append(Skipped(what=bench, reason=str(error)))
            continue
        axis_values = [values.get(axis, (None,)) for axis in NAMED_AXES]
        for direction, *names, seed in itertools.product(directions, *axis_values, values.get("seed", (0,))):
            name_by_axis = dict(zip(NAMED_AXES, names, strict=True))
            try:
                yield resolve_cell(
                    bench, setting=setting, direction=direction, **name_by_axis, seed=seed, tuned=not group.untuned
                )
            except IncompatibleCell as error:
                names_of_cell = " / ".join(str(part) for part in (bench, setting, direction, *names) if part)
                skipped.append(Skipped(what=f"{names_of_cell} / seed {seed}", reason=str(error)))
            except ConfigError as error:
                raise _add_place(error, spec, group.where, "bench") from error


def _select_directions(spec: Spec, group: CellGroup, bench: str, setting: str | None) -> Sequence[str | None]:
    """Return the listed directions that a bench has; (None,), its default direction, if it has none of them."""
    try:
        default_cell = resolve_cell(bench, setting=setting)
    except IncompatibleCell:
        raise
    except ConfigError as error:
        raise _add_place(error, spec, group.where, "bench") from error
    available = bench_families().get(axes.bench_facts(default_cell.bench)["family"], {})
    listed = [name for name in group.axes.get("direction", ()) if normalize(name) in available]
    return listed or (None,)


def _check_names(spec: Spec, values: Mapping[str, Sequence[Any]], where: str) -> None:
    families = bench_families()
    allowed = {"setting": tuple(SETTINGS), "direction": tuple({name for group in families.values() for name in group})}
    for axis, names in values.items():
        for name in names:
            if axis in allowed and normalize(name) not in allowed[axis]:
                error: ConfigError = UnknownName(unknown_name_message(axis, name, sorted(filter(None, allowed[axis]))))
                raise _add_place(error, spec, where, axis)
            if axis in NAMED_AXES:
                try:
                    axes.find(axis, name)
                except ConfigError as error:
                    raise _add_place(error, spec, where, axis) from error


def _add_place(error: ConfigError, spec: Spec, where: str, key: str) -> ConfigError:
    return type(error)(f"{spec.file}: {f'{where}.' if where else ''}{key}: {error}")


def _applies(rule: SkipRule, cell: Cell) -> bool:
    facts = axes.bench_facts(cell.bench)
    family, direction = facts["family"], facts["direction"]
    stems = {family, f"{family}_{direction}", cell.bench, cell.bench_name}
    names_by_axis: dict[str, set[Any]] = {
        "bench": {normalize(stem) for stem in stems} | {normalize(f"{stem}_{cell.setting}") for stem in stems},
        "setting": {cell.setting},
        "direction": {normalize(direction)},
        "seed": {cell.seed},
        **{axis: {getattr(cell, axis)} for axis in NAMED_AXES},
    }
    # `find` also brings the parts of a stack into their canonical spelling.
    return all(
        any(
            (axes.find(axis, name) if axis in NAMED_AXES else _normalize_name(name)) in names_by_axis[axis]
            for name in names
        )
        for axis, names in rule.axes.items()
    )


def _normalize_name(name: Any) -> Any:
    return normalize(name) if isinstance(name, str) else name


def _compose_cell(
    spec: Spec,
    group: CellGroup,
    cell: Cell,
    *,
    folder: Path,
    data_root: str | None,
    data: DataFingerprints,
    check: CheckCell,
) -> SweepCell:
    if option := option_of_run(axes.strategy_facts(cell.strategy)):
        raise IncompatibleCell(
            f"Strategy {cell.strategy} starts from a trained model, which the file of a sweep cannot name. Train these "
            f"cells one by one: rs-adapt train --strategy ... {option} RUN."
        )
    plain_dir = folder.joinpath(*default_run_dir(cell).parts[1:])
    # Beside the cell of the sweep's own lists: a run folder inside another would be deleted with it.
    run_dir = plain_dir.with_name(f"{plain_dir.name}-{group.name}") if group.name else plain_dir
    texts = (*option_texts(cell, iters=group.iters, precision=spec.precision), *group.set)
    try:
        cfg = compose(cell, overrides=texts, data_root=data_root, work_dir=run_dir, weights=spec.weights)
        check_phases(cfg)
        check(cfg, group.set)
    except IncompatibleCell:
        raise
    except ConfigError as error:
        raise type(error)(f"{spec.file}: {cell}: {error}") from error
    return SweepCell(
        name=run_dir.relative_to(folder).as_posix(),
        cell=cell,
        folder=run_dir,
        older_folder=plain_dir / group.name if group.name else None,
        overrides=texts,
        arguments=tuple(train_arguments(cell, texts, work_dir=run_dir, data_root=data_root, weights=spec.weights)),
        identity=config_identity(cfg),
        config_text=cfg.pretty_text,
        iters=cfg.train_cfg.max_iters,
        data_fingerprints=data,
    )
