"""Benches whose source and target have class lists of their own, and the one list that a model of both has.

The joint list begins with the classes of the source, in their order; those of the target follow that the source does
not name. Labels on disk keep the numbers of their own data set, and get those of the joint list as they are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rs_adapt.config.facts import BenchFacts, ConfigNode, Domain
    from rs_adapt.config.region_facts import RegionFacts

_LISTS = ("classes", "palette")


def join_class_lists(bench: ConfigNode, source: RegionFacts, target: RegionFacts, *, file: str) -> ConfigNode:
    """Return `classes`, `palette` and `ov` of a bench whose regions state class lists of their own.

    Args:
        bench: The facts that all directions of the bench share; `ov` lacks the unseen classes.
        source: The region with labels.
        target: The region that is scored.
        file: The bench's file, for messages.

    Returns:
        The joint list, a colour for each of its classes, and `ov` with the classes of the target that the source does
        not name as `unseen`. Empty for regions without lists.

    Raises:
        ConfigError: One region has a list and the other has none, or names and colours differ in number.
    """
    stated = [key in region for region in (source, target) for key in _LISTS]
    if not any(stated):
        return {}
    if not all(stated):
        raise ConfigError(f"{file}: give classes and palette to each of bench.regions, or to none of them.")
    for region in (source, target):
        if len(region["classes"]) != len(region["palette"]):
            raise ConfigError(
                f"{file}: region {region['region']} has {len(region['classes'])} classes and {len(region['palette'])} "
                "colours. Give one for each class."
            )
    named = {plain_name(name) for name in source["classes"]}
    new = [(name, colour) for name, colour in zip(target["classes"], target["palette"], strict=True)]
    new = [(name, colour) for name, colour in new if plain_name(name) not in named]
    unseen = [name for name, _ in new]
    return {
        "classes": [*source["classes"], *unseen],
        "palette": [*source["palette"], *(colour for _, colour in new)],
        "ov": {**bench["ov"], "unseen": unseen},
    }


def region_numbers(bench: BenchFacts, domain: Domain) -> list[int] | None:
    """Return the number in the joint list of each class of a region's own list; None for a region without one.

    Args:
        bench: The bench.
        domain: Its source or its target.

    Raises:
        ConfigError: A class of the region is not in the joint list, which an override has changed.
    """
    own = bench[domain].get("classes")
    if own is None:
        return None
    numbers = {plain_name(name): number for number, name in enumerate(bench["classes"])}
    if missing := [name for name in own if plain_name(name) not in numbers]:
        raise ConfigError(
            f"bench.classes lacks {missing[0]!r}, which bench.{domain}.classes has. Leave bench.classes as it is: it "
            "follows from the class lists of source and target."
        )
    return [numbers[plain_name(name)] for name in own]


def own_classes(bench: BenchFacts, domain: Domain) -> tuple[list[str], list[list[int]]]:
    """Return names and colours of the classes as a region's labels number them: its own, else those of the bench."""
    region = bench[domain]
    return list(region.get("classes", bench["classes"])), [list(c) for c in region.get("palette", bench["palette"])]


def own_ann_suffix(bench: BenchFacts, domain: Domain) -> str:
    """Return the ending of the names of a region's labels: its own, else that of the bench."""
    return bench[domain].get("ann_suffix", bench["ann_suffix"])


def plain_name(name: str) -> str:
    """Return a name such that two data sets mean one class by it: `Building` and `buildings` are the same.

    Letter case, `-`, `_` and a space make no difference, nor does an `s` at the end. Synonyms (plane, airplane) do.
    """
    words: Sequence[str] = name.casefold().replace("-", " ").replace("_", " ").split()
    return " ".join(words).removesuffix("s")
