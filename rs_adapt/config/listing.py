"""The names that a user can choose from: values of an axis, and families of benches."""

from __future__ import annotations

from dataclasses import dataclass

from rs_adapt.config import axes
from rs_adapt.config.cell import bench_families, settings_of


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
        settings: The settings that it has, of `da`, `dg` and `ss`.
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
    """Return the values of an axis, a folder of `configs/`, by name."""
    return [AxisValue(name=name.replace("_", "-"), title=axes.title(axis, name)) for name in axes.values(axis)]


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
