"""The names that a user can choose from: values of an axis, and families of benches."""

from __future__ import annotations

import ast
from contextlib import suppress
from dataclasses import dataclass

from rs_adapt.config import axes
from rs_adapt.config.bench_names import bench_families, settings_of
from rs_adapt.config.paths import PACKAGE_DIR
from rs_adapt.config.plugin_methods import plugin_faults
from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class AxisValue:
    """A value of an axis: its name on the command line, and its title."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class BenchFamily:
    """Benches that differ in direction only.

    Attributes:
        name: As `--bench` takes it, before the setting.
        settings: The settings that it has, of `da`, `dg`, `ss` and `ov`.
        directions: The directions, the default one first; empty where there is only one, without a name.
        data: Names of the data sets.
        classes: Names of the classes, in index order.
    """

    name: str
    settings: tuple[str, ...]
    directions: tuple[str, ...]
    data: tuple[str, ...]
    classes: tuple[str, ...]


def list_axis(axis: str) -> list[AxisValue]:
    """Return the values of an axis, a folder of `configs/`, by name; files that cannot be used are in `axis_faults`."""
    listed = []
    for name in axes.values(axis):
        with suppress(ConfigError):
            listed.append(AxisValue(name=name.replace("_", "-"), title=axes.title(axis, name)))
    return listed


def axis_faults(axis: str) -> list[str]:
    """Return one sentence for each file of an axis, or of its methods' classes and plugins, that cannot be used."""
    faults = []
    for name in axes.values(axis):
        try:
            axes.title(axis, name)
        except ConfigError as error:
            faults.append(str(error))
    if axis == "method":
        faults += [*_broken_classes(), *plugin_faults()]
    return faults


def _broken_classes() -> list[str]:
    """Return one sentence for each file of methods' classes that is no Python; importing all of them takes seconds."""
    faults = []
    for path in sorted((PACKAGE_DIR / "adapters").rglob("*.py")):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError, OSError) as error:
            faults.append(f"{path} cannot be imported: {type(error).__name__}: {error}. Its methods cannot be trained.")
    return faults


def list_bench_families() -> list[BenchFamily]:
    """Return the families of the shipped benches."""
    families = []
    for name, directions in bench_families().items():
        default = next(iter(directions.values()))
        facts = axes.bench_facts(default)
        families.append(
            BenchFamily(
                name=name.replace("_", "-"),
                settings=settings_of(default),
                directions=tuple(direction for direction in directions if direction),
                data=(facts["data"],) if isinstance(facts["data"], str) else tuple(facts["data"]),
                classes=tuple(facts["classes"]),
            )
        )
    return families
