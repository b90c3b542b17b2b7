"""Checks of data: fingerprints against `data.json`, and against the tiles where they are on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.errors import RsAdaptError
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.data import ROLES, describe_change
from rs_adapt.runs.records import DataFacts, data_facts
from rs_adapt.scores.per_image import PerImage


def check_fingerprints(subject: Subject) -> Iterator[Check]:
    """Compare the fingerprints in all files with the digests of `data.json`."""
    start, data = subject.start, subject.data
    if data is None:
        yield from give_up("data", "the run stored no digests of its tiles: there is no data.json")
        return
    given: dict[str, Mapping[str, DataFacts]] = {"cell.json": start.data, "result.json": subject.result.data}
    if subject.manifest is not None:
        given["manifest.json"] = subject.manifest.data
    contradictions = []
    recomputed = {role: data_facts(digests) for role, digests in data.roles.items()}
    for file, roles in given.items():
        if roles.keys() != recomputed.keys() and roles:
            contradictions.append(f"{file} has the roles {', '.join(roles)}, data.json {', '.join(recomputed)}.")
        for role, facts in roles.items():
            if role in recomputed and facts.content() != recomputed[role].content():
                contradictions.append(f"{file}: the fingerprint of {ROLES.get(role, role)} is not that of data.json.")
    for role, tiles in start.tiles.items():
        if role in recomputed and tiles != recomputed[role].tiles:
            contradictions.append(f"cell.json counts {tiles} tiles as {role}, data.json {recomputed[role].tiles}.")
    contradictions += _compare_matrices(subject, recomputed)
    yield from conclude("data", contradictions, checked=f"fingerprints of {len(recomputed)} sets of tiles in all files")


def check_tiles(subject: Subject, on_progress: OnProgress = no_progress) -> Iterator[Check]:
    """Compare `data.json` with the tiles that are on this machine."""
    from rs_adapt.datasets.digests import digest_tiles
    from rs_adapt.datasets.roles import data_roles

    if subject.data is None:
        return
    # Composed here: the cache folder may be a different one than that of the run.
    roles = data_roles(subject.config if subject.expected is None else subject.expected)
    contradictions, compared, missing = [], [], []
    for number, (role, before) in enumerate(subject.data.roles.items()):
        if role not in roles:
            contradictions.append(f"data.json has {ROLES.get(role, role)}, which the configuration does not read.")
            continue
        try:
            now = digest_tiles(roles[role])
        except (RsAdaptError, OSError) as error:
            missing.append(f"{role}: {error}")
            continue
        if before and not now:
            missing.append(f"{role}: its folder {roles[role]['img_dir']} holds no tile")
            continue
        on_progress("reading tiles", number + 1, len(subject.data.roles))
        compared.append(role)
        facts = data_facts(before)
        if data_facts(now).sha256 != facts.sha256:
            change = describe_change(role, before, facts, now)
            contradictions.append(f"The tiles here are not those of the run: {change}.")
    if compared or contradictions:
        yield from conclude("tiles", contradictions, checked=f"pixels of {', '.join(compared)} on this machine")
    if missing:
        yield from give_up("tiles", f"{len(missing)} sets are not on this machine, first {missing[0]}")


def _compare_matrices(subject: Subject, recomputed: Mapping[str, DataFacts]) -> Iterator[str]:
    """Compare the tiles of the matrices with those that the run is scored on."""
    assert subject.data is not None
    role = "test" if "test" in subject.data.roles else "val"
    digests = subject.data.roles.get(role)
    if digests is None:
        return
    for file, per_image in subject.matrices.items():
        if len(per_image.tiles) != len(digests):
            yield f"{file} has {len(per_image.tiles)} tiles, data.json {len(digests)} as {role}."
        elif per_image.facts.get("data_sha256") not in (None, recomputed[role].sha256):
            yield f"{file}: the fingerprint of its tiles is not that of {role} in data.json."
        elif set(per_image.tiles) != {_without_class(name, per_image) for name in digests}:
            yield f"{file} has tiles that data.json does not have as {role}."


def _without_class(name: str, per_image: PerImage) -> str:
    """Return the name that matrices have for a tile; in `data.json` that of a scene begins with its class."""
    class_name, found, path = name.partition(": ")
    is_scene = found and per_image.measure.name != "miou" and class_name in per_image.classes
    return path if is_scene else name
