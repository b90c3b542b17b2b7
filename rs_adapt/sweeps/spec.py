"""The file of a sweep: values of the axes to cross, cells to leave out, and the launcher."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from rs_adapt.config.names import normalize
from rs_adapt.config.paths import configs_dir
from rs_adapt.documents import DocumentError, parse_toml, read_bytes
from rs_adapt.errors import ConfigError
from rs_adapt.launchers.kinds import LauncherKind
from rs_adapt.validation import parse_as

# Values by axis: names, and whole numbers for the seed.
Axes: TypeAlias = Mapping[str, tuple[Any, ...]]

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


def _as_names(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError("it must be one or a list of names")
    return tuple(names)


def _as_seeds(value: object) -> tuple[int, ...]:
    seeds = value if isinstance(value, list) else [value]
    # A bool is an int in Python, and a mistake here.
    if not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise ValueError("it must be one or a list of whole numbers from 0")
    return tuple(seeds)


def _as_texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError("it must be a list of texts")
    return tuple(value)


def _as_gpus(value: object) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(type(gpu) is int and gpu >= 0 for gpu in value):
        raise ValueError("it must be a list of numbers of GPUs, such as [0, 1], or [] for none")
    return tuple(value)


def _as_tables(value: object, info: ValidationInfo) -> tuple[object, ...]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise PydanticCustomError("no_tables", "it must be tables [[{key}]]", {"key": str(info.field_name)})
    return tuple(value)


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name consists of lower-case letters, digits and _")
    return value


def _one_or_list_schema(item: Mapping[str, JsonValue]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})


_Names = Annotated[tuple[str, ...], BeforeValidator(_as_names), _one_or_list_schema({"type": "string", "minLength": 1})]
_Seeds = Annotated[tuple[int, ...], BeforeValidator(_as_seeds), _one_or_list_schema({"type": "integer", "minimum": 0})]
_Texts = Annotated[tuple[str, ...], BeforeValidator(_as_texts)]
_Gpus = Annotated[
    tuple[int, ...] | None,
    BeforeValidator(_as_gpus),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 0}}),
]
_FolderName = Annotated[str, AfterValidator(_check_name)]


class AxisValues(BaseModel):
    """Values of the axes, in each table of a sweep's file that names cells."""

    model_config = _STRICT

    bench: _Names | None = Field(default=None, description='The bench, or a list of them, such as ["loveda-da"].')
    setting: _Names | None = Field(
        default=None, description='"da" (adaptation) or "dg" (generalization), or a list of both.'
    )
    direction: _Names | None = Field(default=None, description='Directions of the benches, such as ["r2u", "u2r"].')
    method: _Names | None = Field(default=None, description='Methods, such as ["frozen", "lora"].')
    backbone: _Names | None = Field(default=None, description='Backbones, such as "dinov2-l".')
    head: _Names | None = Field(default=None, description='Heads, such as "mask2former".')
    strategy: _Names | None = Field(default=None, description='Strategies, such as ["source-only", "dacs"].')
    protocol: _Names | None = Field(default=None, description='Protocols, such as "strict".')
    seed: _Seeds | None = Field(default=None, description="Seeds, whole numbers from 0.")

    def axes(self) -> Axes:
        """Return the values by axis, without the axes that the table does not name."""
        named = {axis: getattr(self, axis) for axis in SWEEP_AXES}
        return {axis: values for axis, values in named.items() if values is not None}


# The axes that a sweep crosses. `setting` and `direction` select among the files of a bench, `seed` is a number.
SWEEP_AXES = tuple(AxisValues.model_fields)


class Include(AxisValues):
    """A further group of cells, `[[include]]`; keys that it leaves out are taken from the top of the file."""

    name: _FolderName | None = Field(default=None, description="Part of the folders' names of these cells.")
    set: _Texts = Field(default=(), description='Overrides in addition to those at the top, such as ["optim.lr=1e-3"].')
    iters: int | None = Field(default=None, ge=1, description="Training iterations.")
    untuned: bool | None = Field(default=None, description="Train without the method's tuned settings.")


class Skip(AxisValues):
    """Cells that are left out, `[[skip]]`: those that all of its axes name."""

    reason: str = Field(description="Why they are left out; printed with the cells.")

    @model_validator(mode="after")
    def _check_axes(self) -> Skip:
        if not self.axes():
            raise ValueError(f"no axis is named, so it would skip all cells; allowed are {', '.join(SWEEP_AXES)}")
        return self


class LauncherSpec(BaseModel):
    """The way to start cells, `[launcher]`."""

    model_config = _STRICT

    kind: LauncherKind = Field(
        default="local", description="local: processes of this machine; inline: this process; slurm: jobs of Slurm."
    )
    jobs: int | None = Field(default=None, ge=1, description="Cells at once; by default the launcher chooses.")
    gpus: _Gpus = Field(default=None, description="Numbers of the GPUs to use; [] for none, by default all.")
    processes_per_cell: int = Field(default=1, ge=1, description="Processes that train one cell together, one a GPU.")
    command: _Texts | None = Field(
        default=None, description="Command before `train ...`; by default this Python with `-m rs_adapt`."
    )
    cluster: Literal["slurm", "local"] = Field(
        default="slurm", description="For kind slurm: local tries its jobs on this machine."
    )
    slurm: dict[str, JsonValue] = Field(
        default_factory=dict, description="For kind slurm: parameters of submitit, such as timeout_min."
    )

    @field_validator("command")
    @classmethod
    def _check_command(cls, command: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        if command and info.data.get("processes_per_cell", 1) > 1:
            raise ValueError(
                "it cannot be combined with processes_per_cell, which starts `rs-adapt train` itself; leave one "
                "of them out"
            )
        return command or None


class SweepFile(AxisValues):
    """The file of a sweep, as it is written."""

    # Required here, and first: a cell needs a bench.
    bench: _Names = Field(description='The bench, or a list of them, such as ["loveda-da"].')
    name: _FolderName = Field(description="Short name; by default the folder is work_dirs/NAME.")
    title: str = Field(default="", description="One line for people.")
    set: _Texts = Field(default=(), description='Overrides of all cells, such as ["optim.lr=1e-3"].')
    iters: int | None = Field(default=None, ge=1, description="Training iterations; by default the bench's.")
    untuned: bool = Field(default=False, description="Train without the methods' tuned settings.")
    precision: str | None = Field(default=None, description="As `rs-adapt train --precision`.")
    weights: str | None = Field(default=None, description="File or folder of base weights.")
    data_root: str | None = Field(default=None, description="Folder of the data sets.")
    plugins: _Texts = Field(
        default=(), description="Files or folders with methods from outside, relative to this file; their code is run."
    )
    retries: int = Field(default=1, ge=0, description="Number of further attempts for a failed cell.")
    include: Annotated[tuple[Include, ...], BeforeValidator(_as_tables)] = Field(
        default=(), description="Further groups of cells."
    )
    skip: Annotated[tuple[Skip, ...], BeforeValidator(_as_tables)] = Field(
        default=(), description="Cells that are left out."
    )
    launcher: LauncherSpec = Field(default_factory=LauncherSpec, description="How cells are started.")


@dataclass(frozen=True, kw_only=True)
class CellGroup:
    """Values of axes that are crossed, and changes to all cells of the group.

    Attributes:
        where: Position in the file, for messages; empty for the top.
        name: Part of the folders' names; empty for the sweep's own lists.
        axes: Values by axis; an axis that is absent takes the default of the command line.
        set: Overrides, `key=value`.
        iters: Training iterations; None for the bench's.
        untuned: Whether the method's tuned settings are left out.
    """

    where: str
    name: str
    axes: Axes
    set: tuple[str, ...]
    iters: int | None
    untuned: bool


@dataclass(frozen=True, kw_only=True)
class SkipRule:
    """Cells that all of `axes` name are left out, for the `reason`; `where` is the rule's position in the file."""

    where: str
    axes: Axes
    reason: str


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A sweep that can be run: the file's content, with inherited values filled in."""

    file: Path
    name: str
    title: str
    groups: tuple[CellGroup, ...]
    skip: tuple[SkipRule, ...]
    precision: str | None
    weights: str | None
    data_root: str | None
    plugins: tuple[Path, ...] = ()
    retries: int
    launcher: LauncherSpec


def read_spec(file: Path) -> Spec:
    """Read a sweep's file.

    Raises:
        ConfigError: It is missing or not TOML, or a key or a type is wrong; the text names file and key. Names of axis
            values are checked when the sweep is expanded.
    """
    try:
        content = parse_toml(read_bytes(file))
    except OSError as error:
        raise ConfigError(
            f"The sweep's file {file} cannot be read: {error.strerror}.{_nearest(file)} Shipped ones are in "
            "configs/sweep/."
        ) from error
    except DocumentError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.") from error
    sweep = parse_as(SweepFile, content, file=str(file))
    top = CellGroup(where="", name="", axes=sweep.axes(), set=sweep.set, iters=sweep.iters, untuned=sweep.untuned)
    return Spec(
        file=file,
        name=sweep.name,
        title=sweep.title,
        groups=(top, *(_build_group(entry, top, f"include {n}") for n, entry in enumerate(sweep.include, start=1))),
        skip=tuple(
            SkipRule(where=f"skip {n}", axes=rule.axes(), reason=rule.reason)
            for n, rule in enumerate(sweep.skip, start=1)
        ),
        precision=sweep.precision,
        weights=sweep.weights,
        data_root=sweep.data_root,
        plugins=tuple((file.parent / Path(path).expanduser()).resolve() for path in sweep.plugins),
        retries=sweep.retries,
        launcher=sweep.launcher,
    )


def _nearest(file: Path) -> str:
    known = [path.stem for path in (configs_dir() / "sweep").glob("*.toml")]
    near = difflib.get_close_matches(normalize(file.stem), known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _build_group(entry: Include, top: CellGroup, where: str) -> CellGroup:
    return CellGroup(
        where=where,
        name=entry.name or "",
        axes={**top.axes, **entry.axes()},
        set=(*top.set, *entry.set),
        iters=top.iters if entry.iters is None else entry.iters,
        untuned=top.untuned if entry.untuned is None else entry.untuned,
    )
