"""The classes that a classification run trains on, and among which classes each test image is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rs_adapt.config import axes
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts


@dataclass(frozen=True, kw_only=True)
class ClassGroups:
    """The classes of a run.

    Attributes:
        classes: The scored classes, in index order.
        trained: The classes of the training images, in index order of the training labels.
        left_out: Classes of the source's images that are not trained on.
        candidates: By scored class, the number of its group: an image is decided among the classes of its own group.
    """

    classes: tuple[str, ...]
    trained: tuple[str, ...]
    left_out: tuple[str, ...]
    candidates: tuple[int, ...]

    def base_indices(self) -> list[int] | None:
        """Return the indices of the base classes where the scored ones have two groups, else None."""
        if len(set(self.candidates)) == 1:
            return None
        return [index for index, group in enumerate(self.candidates) if group == 0]


def class_groups(bench: BenchFacts, setting: str) -> ClassGroups:
    """Return the classes of a bench in a setting.

    Base to novel (`b2n`): the base classes are `bench.base_classes`, by default the first half of the classes (the
    larger one if their number is odd), as in CoCoOp's protocol (arXiv 2203.05557, section 4.1); novel is the rest.

    Args:
        bench: Facts of the bench: `classes`, those of the target, and for b2n optionally `base_classes` and
            `novel_classes`; for xd `source_classes`.
        setting: `b2n`, `xd` or `dg`.

    Raises:
        ConfigError: A class is unknown, listed twice, base and novel at once, or neither; or a side has none.
    """
    classes = tuple(bench["classes"])
    if setting == "xd":
        return ClassGroups(
            classes=classes, trained=tuple(source_classes(bench)), left_out=(), candidates=(0,) * len(classes)
        )
    if setting != "b2n":
        return ClassGroups(classes=classes, trained=classes, left_out=(), candidates=(0,) * len(classes))
    base = _stated(bench, "base_classes", classes[: (len(classes) + 1) // 2])
    novel = _stated(bench, "novel_classes", tuple(name for name in classes if name not in base))
    _check(bench["name"], classes, base, novel)
    return ClassGroups(
        classes=classes,
        trained=tuple(name for name in classes if name in base),
        left_out=tuple(name for name in classes if name not in base),
        candidates=tuple(int(name not in base) for name in classes),
    )


def _stated(bench: BenchFacts, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes of a side: the default where none are stated; an empty list is refused later."""
    given = bench.get(key)
    return default if given is None else tuple(given)  # type: ignore[arg-type]


def source_classes(bench: BenchFacts) -> list[str]:
    """Return the class names of the source's data set, of a bench across data sets."""
    stated = bench["source_classes"]
    return list(axes.bench_facts(stated)["classes"]) if isinstance(stated, str) else stated


def _check(bench: str, classes: Sequence[str], base: Sequence[str], novel: Sequence[str]) -> None:
    if not novel or not base:
        raise ConfigError(f"Bench {bench} needs at least one base class and one novel class.")
    if unknown := [name for name in (*base, *novel) if name not in classes]:
        raise ConfigError(
            f"Bench {bench} has no class {unknown[0]!r}, which bench.base_classes or bench.novel_classes lists. Its "
            f"classes: {', '.join(classes)}."
        )
    if both := [name for name in novel if name in base]:
        raise ConfigError(
            f"Bench {bench}: the class {both[0]!r} is listed as base and as novel. A novel class must have no training "
            "image: take it out of bench.base_classes or of bench.novel_classes."
        )
    if missing := [name for name in classes if name not in base and name not in novel]:
        raise ConfigError(
            f"Bench {bench}: the class {missing[0]!r} is neither in bench.base_classes nor in bench.novel_classes. Add "
            "it to one of them."
        )
