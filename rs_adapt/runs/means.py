"""The mean of trained models beside its members: its evaluation on the target's labels as a run. Loads no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rs_adapt.errors import UnreadableFile
from rs_adapt.runs.evaluations import list_evaluations
from rs_adapt.runs.files import CELL_FILE, MANIFEST_FILE
from rs_adapt.runs.records import InferenceFacts, Manifest, Result, RunOptions, read_record
from rs_adapt.runs.run import Run

AVERAGED = "averaged"
# The key of an evaluation's data for the split that the protocol reports.
_REPORTED = "test"


def scored_folder(place: Path) -> Path:
    """Return the folder with the scores of the mean of trained models in a folder; any other place as it is.

    Args:
        place: A folder that `rs-adapt average` wrote, or anything else.
    """
    try:
        manifest = _manifest_of_mean(place)
    except UnreadableFile:
        return place
    scored = None if manifest is None else _evaluation(place, manifest)
    return place if scored is None else scored[0]


def read_mean(folder: Path) -> Run | None:
    """Return the mean of trained models in a folder as a run with the scores of its newest evaluation.

    That evaluation is of the split that the protocol reports, on the bench of the members, of the pack as it is now and
    without `--tta`. The run has no start and no metrics, and its members are found by `with_members`.

    Args:
        folder: A folder that `rs-adapt average` wrote.

    Returns:
        The run; None if the folder holds no such mean, or `rs-adapt eval` has not scored it.

    Raises:
        UnreadableFile: The manifest is damaged.
    """
    manifest = _manifest_of_mean(folder)
    scored = None if manifest is None else _evaluation(folder, manifest)
    if manifest is None or scored is None:
        return None
    place, result = scored
    own: dict[str, object] = {"options": RunOptions(overrides=tuple(manifest.overrides))}
    if result.confusions is not None:
        own["confusions"] = (place.relative_to(folder) / result.confusions).as_posix()
    return Run(folder=folder, status=AVERAGED, result=result.model_copy(update=own))


def with_members(mean: Run, runs: Sequence[Run]) -> Run:
    """Return a mean with those of the runs that it is the mean of, known by the SHA-256 of their packs.

    Its checkpoint is the selection that all members found name; without any it stays "as released". What it has seen of
    the target is what the first of them that trained on the target has seen.

    Args:
        mean: A run from `read_mean`.
        runs: Runs that may be members.
    """
    manifest, members = mean.manifest, []
    assert manifest is not None
    assert mean.result is not None
    hashes = {pack.sha256 for pack in manifest.averaged}
    for run in runs:
        try:
            pack = run.manifest
        except UnreadableFile:
            continue
        if pack is not None and pack.tensors is not None and pack.tensors.sha256 in hashes:
            members.append(run)
    results = [run.result for run in members if run.result is not None]
    headlines = {result.headline for result in results}
    protocol = mean.result.protocol
    seen = next((result.protocol for result in results if result.protocol.unlabelled_split), protocol)
    protocol = protocol.model_copy(
        update={"unlabelled_split": seen.unlabelled_split, "target_crops": seen.target_crops}
    )
    own = {"protocol": protocol, "headline": headlines.pop() if len(headlines) == 1 else None}
    return replace(mean, members=tuple(members), result=mean.result.model_copy(update=own))


def _manifest_of_mean(folder: Path) -> Manifest | None:
    if not (folder / MANIFEST_FILE).is_file() or (folder / CELL_FILE).exists():
        return None
    manifest = read_record(folder / MANIFEST_FILE, Manifest)
    return manifest if manifest is not None and manifest.averaged else None


def _evaluation(folder: Path, manifest: Manifest) -> tuple[Path, Result] | None:
    pack = None if manifest.tensors is None else manifest.tensors.sha256
    scored = [
        (place, result)
        for place, result in list_evaluations(folder)
        if _REPORTED in result.data
        and result.cell.bench == manifest.cell.bench
        and result.pack_sha256 == pack
        and not (isinstance(result.protocol.inference, InferenceFacts) and result.protocol.inference.tta)
    ]
    return max(scored, key=lambda each: each[1].finished or "", default=None)
