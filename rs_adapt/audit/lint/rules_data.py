"""Rules on tiles that are both trained on and scored, on label values and on damage; most need the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.audit.lint.finding import Hit, Level
from rs_adapt.audit.lint.subject import ROLES, TRAINING, Subject
from rs_adapt.datasets.checks import check_pair
from rs_adapt.errors import DataError

if TYPE_CHECKING:
    from rs_adapt.audit.lint.tile_scan import TileFolder

_SHOWN = 3
_LEARNT = "Tiles that training has seen are scored, so the score is too high."
_LEARNT_UNLABELLED = (
    "Images that adaptation trained on are scored, so the score does not compare with one on new tiles."
)


def tile_in_train_and_val(subject: Subject) -> Iterator[Hit]:
    """A folder, a tile (by its pixels) or a scene (by its name) that is both trained on and scored."""
    yield from _same_folders(subject)
    yield from _declared_scenes(subject)
    if subject.scan is not None:
        yield from _equal_tiles(subject)
        yield from _equal_scenes(subject)


def label_values(subject: Subject) -> Iterator[Hit]:
    """Label values on disk that are outside the class list, with their pixel counts."""
    if (scan := subject.scan) is None:
        return
    for row, folder in zip(scan.reports, scan.folders, strict=True):
        outside = {value: count for value, count in row["values"].items() if int(value) not in scan.allowed}
        if outside:
            numbers = ", ".join(f"{value} ({count} pixels)" for value, count in outside.items())
            yield Hit(
                level="error",
                file=folder.ann_dir,
                key="bench.classes",
                found=f"label values outside the class list: {numbers}; the first file is "
                f"{_first_outside(subject, folder)}",
                consequence="These pixels belong to no class, so a run stops when it checks its data.",
                remedy=f"Fix the labels or the class list, which allows {', '.join(map(str, scan.allowed))}.",
            )


def broken_tiles(subject: Subject) -> Iterator[Hit]:
    """Images without label, labels without image, and files that cannot be read or do not match in size."""
    if (scan := subject.scan) is None:
        return
    for row, folder in zip(scan.reports, scan.folders, strict=True):
        # Tiles of any size may be read, because they are resized.
        faults = [fault for fault in row["faults"] if not re.match(r"\d+ tile\(s\) of ", fault)]
        if faults:
            yield Hit(
                level="error",
                file=folder.img_dir,
                key=f"{ROLES[folder.roles[0]]}.img_dir",
                found=_some(faults),
                consequence="A run stops at these tiles, or leaves them out.",
                remedy="Replace or remove them; `rs-adapt data verify` lists all.",
            )


def data_not_checked(subject: Subject) -> Iterator[Hit]:
    """Tiles that were not scanned, so that the rules on their content were not checked."""
    scan, rules = subject.scan, "label-values, broken-tiles, and the same tile or scene in train and val"
    if scan is None:
        yield Hit(
            level="note",
            key="data_root",
            file=str(subject.root),
            found=subject.why_not_scanned,
            consequence=f"These rules were not checked: {rules}.",
            remedy="Run lint without --no-data.",
        )
    elif scan.missing:
        yield Hit(
            level="note",
            key="data_root",
            file=str(subject.root),
            found="there is no " + _some([subject.shown(folder.img_dir) for folder in scan.missing]),
            consequence=f"These rules were not checked there: {rules}.",
            remedy="Lint again after the first run of this bench, which makes the tiles."
            if subject.cfg["bench"]["prepare"]
            else "Point --data-root or RS_ADAPT_DATA to the data.",
        )


def _same_folders(subject: Subject) -> Iterator[Hit]:
    learnt = {role: dataset for role, dataset in subject.datasets() if role in TRAINING}
    reported = set()
    for role in ("test", "val", "source_val"):
        dataset = subject.dataset(role)
        if dataset is None:
            continue
        for trained, other in learnt.items():
            folder = Path(dataset["img_dir"]).resolve()
            if folder != Path(other["img_dir"]).resolve() or (folder, trained) in reported:
                continue
            # One finding per folder, because test and val may be the same.
            reported.add((folder, trained))
            level, consequence = _weight(subject, role, trained)
            yield Hit(
                # The bench says so itself where only the source's curve is concerned.
                level="note" if level == "warning" else level,
                key=f"{ROLES[role]}.img_dir",
                found=f"{subject.shown(folder)} is trained on ({trained}) and scored ({role})",
                consequence=consequence,
                remedy="Score tiles that training does not read.",
            )


def _declared_scenes(subject: Subject) -> Iterator[Hit]:
    """Scenes of which some crops are trained on and others scored, by the facts of the bench."""
    bench = subject.cfg["bench"]
    prepare = bench["prepare"] or {}
    if not prepare.get("val_crops"):
        return
    scenes = [scene for role in {"target", *_source(subject)} for scene in prepare["regions"][bench[role]["region"]]]
    explanation = bench.get("shared_scenes")
    yield Hit(
        level="note" if explanation else "warning",
        key="bench.prepare.val_crops",
        found=f"crops of the scenes {', '.join(sorted(scenes))} are both in training and in validation",
        consequence=explanation or "Neighbouring crops of a scene look alike, so scores within a region are too high.",
        remedy="Use the score only to compare methods with each other; hold out whole scenes for more.",
    )


def _source(subject: Subject) -> set[str]:
    return set() if subject.setting == "ss" else {"source"}


def _equal_tiles(subject: Subject) -> Iterator[Hit]:
    scan = subject.scan
    assert scan is not None
    hits: dict[tuple[Level, str, str], list[str]] = {}
    for group in scan.duplicates:
        folders = [scan.folder_of(tile) for tile in group]
        trained = [role for folder in folders for role in folder.roles if role in TRAINING]
        scored = [role for folder in folders for role in folder.roles if role not in TRAINING]
        if len({folder.title for folder in folders}) > 1 and trained and scored:
            role = min(scored, key=["test", "val", "source_val"].index)
            hits.setdefault((*_weight(subject, role, trained[0]), role), []).append(" = ".join(group))
    for (level, consequence, role), equal in hits.items():
        yield Hit(
            level=level,
            key=f"{ROLES[role]}.img_dir",
            file=str((subject.dataset(role) or {})["img_dir"]),
            found=f"{len(equal)} scored tile(s) with exactly the pixels of a training tile: {_some(equal)}",
            consequence=consequence,
            remedy="Remove the tiles from one of the splits.",
        )


def _equal_scenes(subject: Subject) -> Iterator[Hit]:
    scan = subject.scan
    assert scan is not None
    for scored in scan.folders:
        if set(scored.roles) & set(TRAINING):
            continue
        shared = sorted(
            {
                scene
                for other in scan.folders
                if set(other.roles) & set(TRAINING) and other.home == scored.home
                for scene in set(other.scenes.values()) & set(scored.scenes.values())
            }
        )
        if shared:
            yield Hit(
                level="warning",
                key=f"{ROLES[scored.roles[0]]}.img_dir",
                file=scored.img_dir,
                found=f"tiles of {len(shared)} scene(s) are both in training and here: {_some(shared)}",
                consequence="Tiles of one scene look alike, so the score is higher than on a new scene.",
                remedy="Split the data by scenes, so that no scene is in both.",
            )


def _weight(subject: Subject, role: str, trained: str) -> tuple[Level, str]:
    """Return the level and the consequence of scoring tiles in a role that are trained on as `trained`."""
    protocol = subject.cfg["protocol"]
    if role == "source_val" and protocol["selection"] != "best_source_val":
        return (
            "warning",
            "The training curve on the source covers tiles that training has seen; the result does not depend on it.",
        )
    if role == "val" and protocol["report_split"] == "server" and trained == "unlabelled":
        return (
            "warning",
            "The training curve covers images that adaptation trained on; the score itself comes from the server.",
        )
    return "error", _LEARNT if trained == "labelled" else _LEARNT_UNLABELLED


def _first_outside(subject: Subject, folder: TileFolder) -> str:
    """Return the first label file with a value outside the class list."""
    scan = subject.scan
    assert scan is not None
    assert folder.ann_dir is not None
    for path in sorted(Path(folder.ann_dir).rglob(f"*{folder.ann_suffix}")):
        try:
            check_pair(str(path), str(path), name=folder.title, allowed=scan.allowed, values="")
        except DataError:
            return path.relative_to(folder.ann_dir).as_posix()
    return "no longer there"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
