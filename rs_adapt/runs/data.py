"""Compare the data of a run with those that are there now. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.runs.files import CELL_FILE, DATA_FILE
from rs_adapt.runs.records import DataFacts, DataRecord, RunStart, TileDigests, data_facts, read_record

ROLES = {
    "labelled": "the labelled training tiles",
    "unlabelled": "the unlabelled training tiles",
    "val": "the validation tiles of the target",
    "source_val": "the validation tiles of the source",
    "label_free": "the tiles of the label-free selection",
    "test": "the test tiles",
}
NOT_RECORDED = "Resumed without a check of its data: the run recorded no fingerprint of them when it started."


def changed_roles(before: Mapping[str, DataFacts], now: Mapping[str, DataFacts]) -> list[str]:
    """Return the roles that both have, and whose data differ."""
    return [role for role, facts in before.items() if role in now and facts.sha256 != now[role].sha256]


def describe_change(role: str, before: TileDigests | None, facts: DataFacts, now: TileDigests) -> str:
    """Return how the data of a role have changed, as a phrase.

    Args:
        role: The role.
        before: The tiles of before; None where only their fingerprint is known.
        facts: The fingerprint of before.
        now: The tiles of now.
    """
    what = ROLES.get(role, role)
    if before is None:
        numbers = f"{facts.tiles} tiles then, {len(now)} now"
        return f"{what} ({numbers})" if facts.tiles != len(now) else f"{what} (their pixels, {numbers})"
    both = sorted(set(before) & set(now))
    images = [name for name in both if before[name][0] != now[name][0]]
    others = [name for name in both if before[name][0] == now[name][0] and [*before[name]] != [*now[name]]]
    kinds = {
        "added": sorted(set(now) - set(before)),
        "removed": sorted(set(before) - set(now)),
        "with other images": images,
        "with other labels or masks": others,
    }
    parts = [f"{len(names)} {how}, first {names[0]}" for how, names in kinds.items() if names]
    return f"{what} ({'; '.join(parts)}; {len(before)} then, {len(now)} now)"


def require_same_data(run_dir: Path, now: Mapping[str, TileDigests]) -> bool:
    """Refuse to resume a run whose data have changed since it started.

    Args:
        run_dir: The run folder.
        now: The tiles by role.

    Returns:
        Whether the run recorded fingerprints; those of older versions did not.

    Raises:
        CheckpointMismatch: The data of a role differ.
    """
    start = read_record(run_dir / CELL_FILE, RunStart)
    if start is None or not start.data:
        return False
    changed = changed_roles(start.data, {role: data_facts(digests) for role, digests in now.items()})
    if not changed:
        return True
    phrases = _describe_changes(run_dir, start.data, now, changed)
    raise CheckpointMismatch(
        f"cannot resume {run_dir}: the data have changed since the run started: {phrases}. Its second "
        "part would learn from or be scored on data other than the first. Put the data back, or start again with "
        "--overwrite."
    )


def changes_in_training(
    run_dir: Path, before: Mapping[str, DataFacts], now: Mapping[str, TileDigests]
) -> tuple[str, ...]:
    """Return a sentence for the result where data changed between the start and the end of a run.

    Args:
        run_dir: The run folder.
        before: The fingerprints at the start by role.
        now: The tiles at the end by role.
    """
    changed = changed_roles(before, {role: data_facts(digests) for role, digests in now.items()})
    if not changed:
        return ()
    phrases = _describe_changes(run_dir, before, now, changed)
    return (f"The data changed while the run trained: {phrases}. It learnt or was scored on a mixture; train again.",)


def _describe_changes(
    run_dir: Path, before: Mapping[str, DataFacts], now: Mapping[str, TileDigests], changed: list[str]
) -> str:
    record = read_record(run_dir / DATA_FILE, DataRecord)
    tiles = {} if record is None else record.roles
    return ", and ".join(describe_change(role, tiles.get(role), before[role], now[role]) for role in changed)
