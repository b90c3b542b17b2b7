"""Runs of one name that were made with different settings or data: how they differ, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rs_adapt.runs.identity import RunIdentity, describe_values, differing_keys
from rs_adapt.runs.run import Run

_HASH_DIGITS = 8


def name_variants(by_hash: Mapping[str, RunIdentity]) -> dict[str, str]:
    """Return the settings in which each identity differs from the others, in words; empty for a single identity.

    Args:
        by_hash: Identities by their hash.
    """
    if len(by_hash) < 2:
        return dict.fromkeys(by_hash, "")
    keys = differing_keys([identity for identity in by_hash.values() if identity])
    names = {key: describe_values(identity, keys) if identity and keys else "" for key, identity in by_hash.items()}
    texts = list(names.values())
    return {
        # Long values may begin alike; a run without a configuration has no values at all.
        key: text if text and texts.count(text) == 1 else f"configuration {key[:_HASH_DIGITS] or 'not known'}"
        for key, text in names.items()
    }


def describe_split(run: Run, seeds_by_variant: Mapping[str, Sequence[int]]) -> str:
    """Return a sentence for runs that look like seeds of one experiment and are not.

    Args:
        run: One of them.
        seeds_by_variant: The seeds of each variant.
    """
    name = run.name.rpartition(" / ")[0]
    parts = [
        f"{variant} (seed{'s' * (len(seeds) != 1)} {', '.join(map(str, seeds))})"
        for variant, seeds in seeds_by_variant.items()
    ]
    return (
        f"The runs of {name} were made with different settings or data, so they are not averaged and stand in rows of "
        f"their own: {'; '.join(parts)}."
    )
