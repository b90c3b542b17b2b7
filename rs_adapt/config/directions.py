"""Benches by name, of which one file may hold several: `casid.py` holds `casid_sub2tem`, `casid_sub2tms` and more.

Such a file states in `bench.regions` the splits of each region, and in `bench.directions` each direction's `title`,
`source` and `target`; the first direction is the family's default. Its other facts are those of every direction. Where
the tiles of a direction are made apart from those of the others, `prepare` holds what differs in `bench.prepare`. Where
regions have class lists of their own, those of a direction follow from them; see `rs_adapt.config.vocabularies`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rs_adapt.config import axis_files
from rs_adapt.config.vocabularies import join_class_lists
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode
    from rs_adapt.config.region_facts import RegionFacts

_FACTS = frozenset({"title", "source", "target"})


def names() -> tuple[str, ...]:
    """Return the names of all benches in `configs/bench/`, sorted.

    Raises:
        ConfigError: A file cannot be read, or two files hold one bench.
    """
    files: dict[str, str] = {}
    for stem in axis_files.stems("bench"):
        for name in _names_in(stem):
            if name in files:
                raise ConfigError(
                    f"configs/bench/{files[name]}.py and configs/bench/{stem}.py both hold the bench {name}. "
                    "Delete one of them."
                )
            files[name] = stem
    return tuple(sorted(files))


def file_stem(name: str) -> str | None:
    """Return the stem of the file that holds a bench, None if no file does; reads no more files than it must.

    Raises:
        ConfigError: A file whose name begins like the bench's cannot be read.
    """
    likely = (stem for stem in axis_files.stems("bench") if name == stem or name.startswith(f"{stem}_"))
    return next((stem for stem in likely if name in _names_in(stem)), None)


def read(name: str) -> ConfigNode:
    """Return the content of a bench's file, for this bench alone if it holds several; to be read only.

    Raises:
        ConfigError: The file cannot be read, or describes the direction wrongly.
    """
    stem = file_stem(name) or name
    content = axis_files.read_file("bench", stem)
    if stem == name:
        return content
    shared = {key: value for key, value in content["bench"].items() if key not in ("regions", "directions")}
    return content | {"bench": shared | _direction(content["bench"], stem, name.removeprefix(f"{stem}_"))}


def _names_in(stem: str) -> tuple[str, ...]:
    directions = axis_files.read_file("bench", stem).get("bench", {}).get("directions")
    return (stem,) if directions is None else tuple(f"{stem}_{direction}" for direction in directions)


def _direction(family: ConfigNode, stem: str, direction: str) -> ConfigNode:
    facts, regions = family["directions"][direction], family.get("regions", {})
    file = f"configs/bench/{stem}.py"
    if facts.keys() - {"prepare"} != _FACTS:
        raise ConfigError(
            f"{file}: bench.directions.{direction} has the keys {', '.join(facts) or '(none)'}. It needs title, source "
            "and target, may have prepare, and no others."
        )
    for side in ("source", "target"):
        if facts[side] not in regions:
            raise ConfigError(
                f"{file}: bench.directions.{direction}.{side} is {facts[side]!r}, which is not in bench.regions. "
                f"Allowed: {', '.join(regions) or 'none, add it there'}."
            )
    prepare = {"prepare": family["prepare"] | facts["prepare"]} if "prepare" in facts else {}
    sides = {side: {"region": facts[side], **regions[facts[side]]} for side in ("source", "target")}
    source, target = (cast("RegionFacts", sides[side]) for side in ("source", "target"))
    resized = {"inference": {**family["inference"], "resize_px": target["resize_px"]}} if "resize_px" in target else {}
    return {
        "name": f"{stem}_{direction}",
        "direction": direction,
        "default": direction == next(iter(family["directions"])),
        "title": facts["title"],
        **prepare,
        **resized,
        **sides,
        **join_class_lists(family, source, target, file=file),
    }
