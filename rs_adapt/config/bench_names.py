"""Benches by the names that a user types: a family, a direction and a setting."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

from rs_adapt.config import axes, axis_files
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.tasks import SEGMENTATION, TASKS, task_of
from rs_adapt.errors import ConfigError, IncompatibleCell, UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS = {
    "da": "adaptation with unlabelled target images",
    "dg": "generalization: the target is never seen",
    "ss": "supervised with the target region's own labels (the in-domain bound)",
    "ov": "open vocabulary: trained on some classes of the source, scored on the names of all",
    "b2n": "base to novel: few labelled images of half of the classes, scored on both halves",
    "xd": "across data sets: few labelled images of one, scored on another by its own class names",
    "sr": "super-resolution: fine images from coarse ones",
}


def bench_families() -> dict[str, dict[str, str]]:
    """Return family -> {direction -> bench file stem}, the default direction first; to be read only."""
    return _families(axis_files.state("bench"))


# A sweep looks names up several times a cell, among some hundred benches.
@lru_cache(maxsize=4)
def _families(_state: tuple[tuple[Path, int], ...]) -> dict[str, dict[str, str]]:
    families: dict[str, dict[str, str]] = {}
    facts = [(name, axes.bench_facts(name)) for name in axes.values("bench")]
    for name, bench in sorted(facts, key=lambda item: not item[1].get("default", False)):
        families.setdefault(bench["family"], {})[bench["direction"]] = name
    return families


def settings_of(bench: str) -> tuple[str, ...]:
    """Return the settings of a bench: one without a second region or without unseen classes does not have all."""
    facts = axes.bench_facts(bench)
    usual = [name for name in task_of(facts).settings if name != OPEN or OPEN in facts]
    return tuple(facts.get("settings", usual))


def default_strategy(bench: str, setting: str) -> str:
    """Return the strategy of a bench in a setting, where the user names none: the bench's own, else the task's."""
    facts = axes.bench_facts(bench)
    return facts["defaults"].get("strategies", {}).get(setting) or task_of(facts).strategies[setting]


def refuse_setting(bench: str, setting: str) -> NoReturn:
    """Raise the error about a setting that a bench does not have.

    Raises:
        IncompatibleCell: The text lists the settings that it has.
    """
    facts = axes.bench_facts(bench)
    if setting == OPEN and task_of(facts).name == SEGMENTATION:
        defaults = {name.replace("_", "-"): next(iter(of.values())) for name, of in bench_families().items()}
        having = [name for name, default in defaults.items() if OPEN in settings_of(default)]
        raise IncompatibleCell(
            f"Bench {facts['name']} does not say which of its classes are unseen, so the setting {OPEN} "
            f"({SETTINGS[OPEN]}) is impossible. Benches that do: {', '.join(having)}. Allowed: "
            f"{', '.join(settings_of(bench))}."
        )
    task, allowed = task_of(facts), ", ".join(settings_of(bench))
    lack = "has no second region" if setting in task.settings else f"has the task {task.name}"
    raise IncompatibleCell(
        f"Bench {facts['name']} {lack}, so the setting {setting} ({SETTINGS[setting]}) is impossible. Allowed: "
        f"{allowed}."
    )


def find_bench(name: str, chosen: str | None, direction: str | None) -> tuple[str, str]:
    """Return the file's name of a bench, and the setting.

    Args:
        name: As the user types it: a family or bench with its setting, or the path of a TOML file.
        chosen: The setting, where the name does not state it.
        direction: The direction, where it is not the family's default.

    Raises:
        UnknownName: There is no such bench, setting or direction.
        ConfigError: The three contradict each other, or the setting is missing.
    """
    if chosen is not None and normalize(chosen) not in SETTINGS:
        raise UnknownName(unknown_name_message("setting", chosen, tuple(SETTINGS)))
    if own_bench.is_own(name):
        return _own(name, chosen, direction)
    families = bench_families()
    stem, _, setting = normalize(name).rpartition("_")
    if setting not in SETTINGS and chosen is not None:
        stem, setting = normalize(name), normalize(chosen)
    if setting not in SETTINGS:
        _refuse_without_setting(name, families)
    if chosen is not None and setting != normalize(chosen):
        raise ConfigError(
            f"--bench {name} already states the setting {setting}, but --setting is {chosen}. Leave one of them out."
        )
    if stem in families:
        directions = families[stem]
        if direction is None:
            # Of a family whose directions have different tasks, the first that has the setting.
            fit = (bench for bench in directions.values() if setting in settings_of(bench))
            return next(fit, next(iter(directions.values()))), setting
        if normalize(direction) not in directions:
            named = tuple(filter(None, directions))
            if not named:
                raise UnknownName(f"{stem.replace('_', '-')} has one direction only. Leave --direction out.")
            raise UnknownName(unknown_name_message(f"direction of {stem}", direction, named))
        return directions[normalize(direction)], setting
    for family, directions in families.items():
        for known_direction, bench in directions.items():
            if stem not in (bench, f"{family}_{known_direction}"):
                continue
            if direction is not None and normalize(direction) != known_direction:
                raise ConfigError(
                    f"--bench {name} already states direction {known_direction}, but --direction is {direction}. "
                    f"Use --bench {family}-{setting} --direction {direction}, or leave --direction out."
                )
            return bench, setting
    raise UnknownName(unknown_name_message("bench", name, bench_names(families)))


def _own(path: str, setting: str | None, direction: str | None) -> tuple[str, str]:
    if direction is not None:
        raise ConfigError(
            f"--direction {direction} does not apply to {path}, which states its own source and target. For the "
            "opposite direction, write a second file."
        )
    file = own_bench.find(path)
    if setting is None and len(settings_of(file)) == 1:
        # Captions have one setting; a file whose task cannot be read is refused with its reason.
        return file, settings_of(file)[0]
    if setting is None:
        choices = "; ".join(f"--setting {name}: {SETTINGS[name]}" for name in TASKS[SEGMENTATION].settings)
        raise ConfigError(f"--bench {path} needs a setting. Choose one of {choices}.")
    return file, normalize(setting)


def bench_names(families: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """Return every short bench name with its setting: `loveda_da`, `loveda_dg`, ..."""
    return tuple(
        f"{family}_{setting}"
        for family, directions in families.items()
        for setting in dict.fromkeys(
            [*settings_of(next(iter(directions.values()))), *(s for b in directions.values() for s in settings_of(b))]
        )
    )


def _refuse_without_setting(name: str, families: Mapping[str, Mapping[str, str]]) -> None:
    known = {normalize(family) for family in families} | {b for group in families.values() for b in group.values()}
    if normalize(name) not in known:
        raise UnknownName(unknown_name_message("bench", name, bench_names(families)))
    spelled = normalize(name).replace("_", "-")
    own = [bench for group in families.values() for bench in group.values() if normalize(name) == bench]
    benches = own or [*families[normalize(name)].values()]
    names = dict.fromkeys(setting for bench in benches for setting in settings_of(bench))
    choices = "; ".join(f"{spelled}-{setting}: {SETTINGS[setting]}" for setting in names)
    raise ConfigError(f"Bench {name!r} names no setting. Choose one of {choices}.")
