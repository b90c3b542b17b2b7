"""The mean of several packs: which may be averaged, and the manifest of what comes out. Loads no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import AveragedPack, Manifest
from rs_adapt.runs.resolvers import refuse_resolved

_STRATEGY = "average"

# Facts that packs must share for their tensors to mean the same, each with its name in messages.
_SHARED: tuple[tuple[str, Callable[[Manifest], object]], ...] = (
    ("bench", lambda manifest: manifest.cell.bench),
    ("content of the bench's file", lambda manifest: manifest.own_bench),
    ("stretch of scene values", lambda manifest: manifest.stretch),
    ("classes", lambda manifest: list(manifest.classes)),
    ("method", lambda manifest: manifest.cell.method),
    ("backbone", lambda manifest: manifest.cell.backbone),
    ("head", lambda manifest: manifest.cell.head),
    ("base weights", lambda manifest: manifest.base.sha256),
    ("tuned values", lambda manifest: manifest.tuned),
    ("protocol", lambda manifest: manifest.cell.protocol),
    # Whether both regions were brought to one pixel size.
    ("strategy.match_gsd", lambda manifest: manifest.gsd_matched),
    ("plugins", lambda manifest: list(manifest.plugins)),
)


def read_members(folders: Sequence[Path]) -> list[Manifest]:
    """Read the manifests of packs that are to be averaged.

    Args:
        folders: Run folders or folders with a pack, two or more.

    Raises:
        CheckpointMismatch: One is no pack, or the packs cannot be averaged; the text says in what they differ.
        ConfigError: There are fewer than two, two are the same pack, or one needs a model beside it.
    """
    if len(folders) < 2:
        raise ConfigError(f"{len(folders)} pack is named; a mean needs two or more. Name more run folders or packs.")
    members = [read_manifest(folder) for folder in folders]
    first = members[0]
    for folder, member in zip(folders[1:], members[1:], strict=True):
        for name, fact in _SHARED:
            if fact(member) != fact(first):
                raise CheckpointMismatch(
                    f"{folders[0]} and {folder} differ in their {name} ({fact(first)!r} and {fact(member)!r}), so the "
                    "mean of their weights has no meaning. Average packs that differ in strategy, setting or training "
                    "alone; `rs-adapt predict` takes several --checkpoint and averages their probabilities."
                )
        if member.cell.seed != first.cell.seed:
            raise CheckpointMismatch(
                f"{folders[0]} has the seed {first.cell.seed} and {folder} the seed {member.cell.seed}: they started "
                "from different heads, and the mean of such weights is worse than either. Average runs of one seed, or "
                "runs that one run was continued into with --from; `rs-adapt predict` takes several --checkpoint."
            )
    hashes = [member.tensors.sha256 for member in members if member.tensors is not None]
    if len(set(hashes)) < len(hashes):
        raise ConfigError("Two of the packs have the same weights. Name each once, and give it more with --share.")
    for folder, member in zip(folders, members, strict=True):
        refuse_resolved(folder, member.resolver, verb="a mean of packs")
        if member.merged is not None or member.imported is not None:
            raise CheckpointMismatch(
                f"{folder} is not as a run left it (merged into its base, or imported). Name the pack of a run."
            )
    return members


def check_shares(shares: Sequence[float] | None, *, count: int) -> list[float]:
    """Return the share of each pack, equal ones by default.

    Args:
        shares: One for each pack, each above 0, with the sum 1; None for equal ones.
        count: Number of packs.

    Raises:
        ConfigError: There are more or fewer, one is not above 0, or they do not add up to 1.
    """
    if not shares:
        return [1 / count] * count
    if len(shares) != count or not all(math.isfinite(share) and share > 0 for share in shares):
        raise ConfigError(
            f"The shares are {', '.join(f'{share:g}' for share in shares)}; there must be one above 0 for each of the "
            f"{count} packs. Leave --share out for equal ones."
        )
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ConfigError(
            f"The shares {', '.join(f'{share:g}' for share in shares)} add up to {sum(shares):g}; they must add up to "
            "1. Leave --share out for equal ones."
        )
    return list(shares)


def mean_manifest(members: Sequence[Manifest], shares: Sequence[float], *, overrides: Sequence[str]) -> Manifest:
    """Return the manifest of the mean of packs, without its `tensors`.

    Its strategy is `average`, so that its scores are never taken for those of a member. The setting is `da` if a member
    learned from target images. It has no scores and no temperature: both belong to the members.

    Args:
        members: Manifests from `read_members`.
        shares: Share of each.
        overrides: Overrides of the model, which all members have.
    """
    settings = [member.cell.setting for member in members]
    setting = next((name for name in ("ss", "da") if name in settings), settings[0])
    cell = members[0].cell.model_copy(update={"strategy": _STRATEGY, "setting": setting})
    averaged = [
        AveragedPack(cell=member.cell, sha256=member.tensors.sha256 if member.tensors else "", share=share)
        for member, share in zip(members, shares, strict=True)
    ]
    names = ", ".join(
        f"{100 * share:.3g} % {member.cell.strategy.replace('_', '-')} ({member.cell.setting})"
        for member, share in zip(members, shares, strict=True)
    )
    notes = [note for member in members for note in member.notes]
    return members[0].model_copy(
        update={
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "cell": cell,
            "data": {role: facts for member in members for role, facts in member.data.items()},
            "notes": [*dict.fromkeys([*notes, f"The weights are the mean of {len(members)} packs: {names}."])],
            "initialised_from": None,
            "overrides": list(overrides),
            "metrics": None,
            "calibration": None,
            "tensors": None,
            "averaged": averaged,
        }
    )


def choice_of_gate(adapter: object) -> str | None:
    """Return, in words, that a gate in an adapter's settings chooses modules in training; None if there is none."""
    has_gate = any(node.get("type") == "rs_adapt.Gate" and node.get("k") is not None for node in _tables(adapter))
    return "has a gate that chooses different modules in each training" if has_gate else None


def start_from_images(adapter: object) -> str | None:
    """Return, in words, that an adapter (EVA) starts from the images of its run; None if it does not."""
    starts = any(node.get("init_lora_weights") == "eva" for node in _tables(adapter))
    return "starts from the images of its run, those of the target too in adaptation" if starts else None


def _tables(node: object) -> Iterator[Mapping[str, object]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _tables(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _tables(value)
