"""Wiring of the setting `ov`: which classes have labels in training, and what all other settings leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rs_adapt.config.class_means import BETWEEN, OPEN, has_groups
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.config.vocabularies import region_numbers
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import BenchFacts, ConfigNode, Domain, MergedTree

# The step that reads labels, in pipelines.
LOAD_LABELS = "LoadAnnotations"
_ALL = "all"
# Axes whose files list the settings that they are meant for.
_LISTING = ("strategy", "protocol")


def is_open(cell: Cell) -> bool:
    """Return whether the cell's model is trained on some classes and scored on all names."""
    return cell.setting == OPEN


def settle_setting(tree: ConfigNode, cell: Cell) -> None:
    """Complete merged axis files for the setting `ov`, in place, or leave out of them what only that setting reads.

    So a configuration of another setting is, to the letter, the one that it was before this setting existed.

    Args:
        tree: The merged axis files, before any override.
        cell: The cell.
    """
    bench = tree["bench"]
    if is_open(cell):
        batch_size = bench["schedule"]["batch_size"]
        batch_size.setdefault(OPEN, batch_size["dg"])
        return
    bench.pop(OPEN, None)
    for axis in _LISTING:
        tree[axis]["settings"] = [name for name in tree[axis]["settings"] if name != OPEN]


def unseen_classes(bench: BenchFacts) -> list[int]:
    """Return the numbers of the classes without labels in training, ascending.

    Args:
        bench: A bench with `ov`.

    Raises:
        ConfigError: A name is that of no class, or given twice, or all or no classes are unseen.
    """
    classes: list[str] = bench["classes"]
    # An override may make it anything.
    names: Any = bench["ov"]["unseen"]
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"bench.ov.unseen is {names!r}; it must be a list of class names, such as ['{classes[-1]}'].")
    numbers = {_plain(name): number for number, name in enumerate(classes)}
    for name in names:
        if _plain(name) not in numbers:
            raise ConfigError(f"bench.ov.unseen: {unknown_name_message('class', name, tuple(classes))}")
    unseen = [numbers[_plain(name)] for name in names]
    if len(set(unseen)) != len(unseen):
        raise ConfigError(f"bench.ov.unseen is {list(names)}, which names a class twice. Name each once.")
    if not unseen or len(unseen) == len(classes):
        state = "no class is unseen" if not unseen else "no class is left to train on"
        raise ConfigError(
            f"bench.ov.unseen is {list(names)}, so {state}. Name one class or more, and leave at least one of "
            f"{', '.join(classes)} out."
        )
    return sorted(unseen)


def seen_classes(bench: BenchFacts) -> list[int]:
    """Return the numbers of the classes with labels in training, ascending; see `unseen_classes`."""
    unseen = unseen_classes(bench)
    return [number for number in range(len(bench["classes"])) if number not in unseen]


def scored_words(tree: MergedTree) -> str:
    """Return the classes of the protocol's mean as `SEEN | UNSEEN`, of which the harmonic mean is taken.

    Raises:
        ConfigError: `protocol.classes` is neither `all` nor two such groups.
    """
    bench, words = tree["bench"], tree["protocol"]["classes"]
    named = region_numbers(bench, "target")
    seen = [number for number in seen_classes(bench) if named is None or number in named]
    groups = (seen, unseen_classes(bench))
    both = f" {BETWEEN} ".join(",".join(bench["classes"][number] for number in numbers) for numbers in groups)
    if words == _ALL:
        return both
    if has_groups(words):
        return words
    raise ConfigError(
        f"protocol.classes is {words!r}. In the setting {OPEN} the score is the harmonic mean of two groups. "
        f"Allowed: 'all', or names of seen and of unseen classes such as {both!r}."
    )


def without_unseen(pipeline: list[ConfigNode], bench: BenchFacts, cell: Cell) -> list[ConfigNode]:
    """Return a pipeline whose labels of unseen classes are ignored as soon as they are read; elsewhere the same one."""
    if not is_open(cell):
        return pipeline
    step = {
        "type": "rs_adapt.IgnoreClasses",
        "classes": unseen_classes(bench),
        "ignore_index": bench["ignore_index"],
    }
    return _after_labels(pipeline, step)


def in_joint_numbers(pipeline: list[ConfigNode], bench: BenchFacts, domain: Domain) -> list[ConfigNode]:
    """Return a pipeline whose labels get the numbers of the joint class list as soon as they are read.

    Args:
        pipeline: The steps.
        bench: The bench; the pipeline of a region without a class list of its own stays the same.
        domain: The region whose labels are read.

    Raises:
        ConfigError: See `region_numbers`.
    """
    numbers = region_numbers(bench, domain)
    if numbers is None:
        return pipeline
    step = {"type": "rs_adapt.RenumberClasses", "numbers": numbers, "ignore_index": bench["ignore_index"]}
    return _after_labels(pipeline, step)


def _after_labels(pipeline: list[ConfigNode], step: ConfigNode) -> list[ConfigNode]:
    return [each for given in pipeline for each in ([given, step] if given["type"] == LOAD_LABELS else [given])]


def check_head(tree: MergedTree, cell: Cell) -> None:
    """Refuse a head whose classes are those of its training, and a bench without target labels, where `ov` needs more.

    Raises:
        IncompatibleCell: The head's classes are fixed, or the target has no labels.
    """
    if not is_open(cell):
        return
    if "text_names" not in tree["model"]["decode_head"]:
        raise IncompatibleCell(
            f"Head {cell.head} has one weight a class, so it can only name classes of its training, and the setting ov "
            "is scored on others too. Allowed: --head cost or --head text, whose classes are texts."
        )
    if tree["bench"]["target"]["val"] is None:
        raise IncompatibleCell(
            f"The target of bench {tree['bench']['name']} has no labels, but the setting ov is scored on them. Use the "
            "setting dg, or a bench with target labels."
        )


def _plain(name: str) -> str:
    return normalize(name).replace(" ", "_")
