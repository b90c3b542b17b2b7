"""The settings that a row and its references must share, beyond the names and options that they are found by."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.runs.identity import ORIGINS, describe_difference, differing_keys
from rs_adapt.scores.groups import Group

# What belongs to the training that a row measures. Loaders, losses and the like follow from the keys of the axes.
# Tiles that only selections look at differ between settings, and only some strategies have a teacher.
_TRAINING = (
    *("strategy.", "bench.pipeline.", "bench.prepare.train_labels", "protocol.teacher_view"),
    *("data.labelled", "data.unlabelled", "data.label_free", "data.source_val"),
)
_METHOD = ("adapter.", "method.")
_MAX_KEYS = 3


def floor_of_mean(group: Group, groups: Sequence[Group]) -> Group | None:
    """Return the source-only training that is a member of a mean of trained models; None without a single one.

    It is known by its weights, not by its options, which the mean need not have.

    Args:
        group: A group of means.
        groups: The groups of a report.
    """
    folders = {
        member.folder
        for score in group.scores
        for member in score.run.members
        if member.cell is not None and (member.cell.setting, member.cell.strategy) == ("dg", "source_only")
    }
    floors = [
        other
        for other in groups
        if (other.column.bench, other.column.split) == (group.column.bench, group.column.split)
        and any(score.run.folder in folders for score in other.scores)
    ]
    return floors[0] if len(floors) == 1 else None


def differences_to_plain(group: Group, reference: Group) -> list[str]:
    """Return in which settings a row and its floor or bound differ without right, in words.

    The labelled tiles of the floor are those of the row; the bound is trained on others. Values tuned for the bench
    differ between settings.
    """
    on_other_labels = "ss" in (group.column.setting, reference.column.setting)
    allowed = _TRAINING if on_other_labels else tuple(key for key in _TRAINING if key != "data.labelled")
    return _differences(group, reference, (*allowed, *(_METHOD if group.row.tuned else ())))


def differences_to_frozen(group: Group, reference: Group) -> list[str]:
    """Return in which settings a row and the frozen backbone differ without right, in words."""
    return _differences(group, reference, _METHOD)


def _differences(group: Group, reference: Group, allowed: tuple[str, ...]) -> list[str]:
    a, b = group.identity, reference.identity
    if not a or not b:
        return []
    keys = [
        key
        for key in differing_keys([a, b])
        if key.startswith(ORIGINS)
        and not key.startswith(allowed)
        # A set of tiles that one of them does not read is no difference.
        and not (key.startswith("data.") and None in (a.get(key), b.get(key)))
    ]
    return describe_difference(a, b, keys[:_MAX_KEYS])
