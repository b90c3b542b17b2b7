"""All checks of a run against itself, in the order of the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from rs_adapt.audit.selfcheck.bundle import find_bundle_faults, is_bundle, unpacked
from rs_adapt.audit.selfcheck.configuration import (
    check_cell,
    check_classes,
    check_config,
    check_protocol,
    check_schedule,
    check_seed,
)
from rs_adapt.audit.selfcheck.data import check_fingerprints, check_tiles
from rs_adapt.audit.selfcheck.files import check_hashes, check_packs
from rs_adapt.audit.selfcheck.outcome import Check, Outcome, SelfCheck, conclude
from rs_adapt.audit.selfcheck.plugins import check_plugins
from rs_adapt.audit.selfcheck.scores import check_curve, check_headline, check_losses, check_selections
from rs_adapt.audit.selfcheck.subject import Subject, read_subject
from rs_adapt.audit.selfcheck.super_resolution import (
    check_image_scores,
    check_images,
    check_last,
    check_split,
    check_validation,
)
from rs_adapt.audit.selfcheck.teacher import check_teacher
from rs_adapt.errors import RsAdaptError
from rs_adapt.progress import OnProgress, no_progress

_CHECKS = (
    check_hashes,
    check_headline,
    check_selections,
    check_curve,
    check_losses,
    check_schedule,
    check_config,
    check_cell,
    check_seed,
    check_protocol,
    check_classes,
    check_packs,
    check_plugins,
    check_teacher,
    check_fingerprints,
)
# In the place of the checks of maps of pixels and of classes.
_OF_SUPER_RESOLUTION: Mapping[Callable[..., Iterator[Check]], Callable[[Subject], Iterator[Check]]] = {
    check_headline: check_image_scores,
    check_selections: check_last,
    check_curve: check_validation,
    check_protocol: check_split,
}


def check_run(folder: Path, *, data_root: Path | None = None, on_progress: OnProgress = no_progress) -> SelfCheck:
    """Recompute everything in a finished run that its files determine, and compare.

    Whoever edits one file can edit the others and their hashes too. Every number that other files determine is found
    nevertheless; weights that were never trained, or a curve that was made up, are found only by `rs-adapt eval` and by
    training again.

    Args:
        folder: A run folder, or a bundle of `rs-adapt share`.
        data_root: Folder of the data sets now; where the configuration says.
        on_progress: Called while tiles are read.

    Raises:
        ConfigError: The folder holds no finished run, or a file without which there is none is damaged.
    """
    if not is_bundle(folder):
        subject = read_subject(folder, data_root=data_root)
        return SelfCheck(run=str(folder), checks=tuple(_checks(subject, on_progress)))
    with unpacked(folder) as place:
        of_bundle = conclude("bundle", find_bundle_faults(place), checked="every file has the SHA-256 of bundle.json")
        subject = read_subject(place, data_root=data_root)
        return SelfCheck(run=str(folder), checks=(*of_bundle, *_checks(subject, on_progress)))


def _checks(subject: Subject, on_progress: OnProgress) -> Iterator[Check]:
    is_flow = subject.is_super_resolution
    for check in _CHECKS:
        chosen = _OF_SUPER_RESOLUTION.get(check, check) if is_flow else check
        yield from _guard(check.__name__.removeprefix("check_"), partial(chosen, subject))
    data_check = check_images if is_flow else check_tiles
    yield from _guard(data_check.__name__.removeprefix("check_"), partial(data_check, subject, on_progress))


def _guard(name: str, check: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(check())
    except RsAdaptError as error:
        return [Check(name=name, outcome=Outcome.CONTRADICTS, detail=str(error))]
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A configuration may lack keys or hold values of any kind: that is a fault of the file, not of this program.
        detail = f"a key of its files is missing or of the wrong kind: {error!r}."
        return [Check(name=name, outcome=Outcome.CONTRADICTS, detail=detail)]
