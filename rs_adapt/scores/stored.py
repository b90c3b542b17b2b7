"""Where the confusion matrices of a run lie, and whether they answer a protocol. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rs_adapt.config import axes
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import RsAdaptError, ScoresError, UnknownName
from rs_adapt.runs.files import RESULT_FILE, STATE_FILE
from rs_adapt.scores.per_image import PerImage

SELECTIONS = ("last", "best_source_val", "best_label_free", "oracle")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Matrices as they were found.

    Args:
        file: Where they lie.
        per_image: The matrices and facts about them.
        selection: Which checkpoint they are of: last, best_source_val, best_label_free or oracle; "as released" of an
            imported one; None where the place does not tell.
        protocol: What was done: `protocol` of the `result.json`, else the file of the protocol that the matrices name;
            empty where neither is there.
    """

    file: Path
    per_image: PerImage
    selection: str | None
    protocol: Mapping[str, Any]

    @property
    def protocol_label(self) -> str | None:
        """Name and version of the protocol that the matrices were made under; None where they do not say."""
        label = self.per_image.facts.get("protocol")
        return None if label is None else str(label)

    @property
    def classes(self) -> str:
        """The classes that the protocol takes the mean over, as words of `class_set`."""
        return classes_of(self.protocol)


def open_stored(place: Path, selection: str | None = None) -> Stored:
    """Find and read the matrices of a run.

    Args:
        place: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        selection: Which checkpoint of a run; None is the run's headline.

    Raises:
        UnknownName: There is no such selection.
        ScoresError: The place holds no matrices, none of that selection, or they cannot be read.
    """
    if selection is not None and normalize(selection) not in SELECTIONS:
        raise UnknownName(unknown_name_message("selection", selection, SELECTIONS))
    wanted = None if selection is None else normalize(selection)
    result = {} if place.is_file() else _result(place)
    protocol, selections = result.get("protocol"), result.get("selections")
    found = protocol.get("selection") if isinstance(protocol, dict) else None
    if isinstance(selections, dict) and any(_has_file(entry) for entry in selections.values()):
        wanted = wanted or str(result.get("headline", "last"))
        if not _has_file(selections.get(wanted)):
            there = ", ".join(name for name, entry in selections.items() if _has_file(entry))
            raise ScoresError(f"{place} has no matrices of the selection {wanted}. There are: {there}.")
        file, found = place / selections[wanted]["confusions"], wanted
    elif place.is_file():
        file = place
    else:
        file = place / _of_eval(place, result)
    if wanted not in (None, found):
        told = "does not say of which selection it is" if found is None else f"is of the selection {found}"
        raise ScoresError(
            f"{file} {told}, and {wanted} is asked for. Name the run folder, which has those that were stored."
        )
    per_image = PerImage.load(file)
    known = protocol if isinstance(protocol, dict) else _named(per_image.facts.get("protocol"))
    return Stored(file=file, per_image=per_image, selection=found, protocol=known)


def read_protocol(name: str) -> Mapping[str, Any]:
    """What a protocol says; `name` and `version` are among it.

    Raises:
        UnknownName: There is no such protocol.
    """
    protocol: Mapping[str, Any] = axes.peek("protocol", axes.find("protocol", name))["protocol"]
    return protocol


def classes_of(protocol: Mapping[str, Any]) -> str:
    """The classes that a protocol takes the mean over, as words of `class_set`."""
    classes = protocol.get("classes") or "all"
    return classes if isinstance(classes, str) else ",".join(classes)


def check_protocol(stored: Stored, protocol: Mapping[str, Any]) -> None:
    """Refuse a protocol that the stored matrices cannot answer; selection and classes are not looked at.

    Raises:
        ScoresError: Names what differs, and the command that makes the matrices.
    """
    facts, name = stored.per_image.facts, protocol["name"].replace("_", "-")
    again = f"Train with it: rs-adapt train --protocol {name} ..."
    report, split = protocol.get("report_split"), str(facts.get("split"))
    if report == "server":
        raise ScoresError(
            f"Protocol {name} is scored by the data set's server: no label here answers it. Take another protocol."
        )
    if not _is_split(split.rpartition(" ")[2], report, facts.get("bench")):
        raise ScoresError(
            f"Protocol {name} scores the {report} tiles, and {stored.file} is of {split}. Score those tiles: rs-adapt "
            f"eval --checkpoint RUN --split {report}, and name the folder that it writes."
        )
    weights = protocol.get("weights", "student")
    if weights != facts.get("weights", "student"):
        other = facts.get("weights", "student")
        raise ScoresError(f"Protocol {name} scores the {weights}, and {stored.file} is of the {other}. {again}")
    mode, stored_mode = protocol.get("inference"), (facts.get("inference") or {}).get("mode")
    if mode is not None and mode != stored_mode:
        raise ScoresError(f"Protocol {name} scores in mode {mode}, and {stored.file} has {stored_mode}. {again}")
    keys = ["unlabelled_split", "target_crops"]
    keys += ["label_free"] if protocol.get("selection") == "best_label_free" else []
    own = dict(stored.protocol)
    for key in keys:
        # None is stored where the target is not trained on; a split is stored with its region before it.
        value = "unknown" if key not in own else own[key] and str(own[key]).rpartition(" ")[2]
        if value is not None and value != protocol.get(key):
            raise ScoresError(
                f"Protocol {name} has {key} {protocol.get(key)!r}, and {stored.file} is of a run with "
                f"{value!r}, which scoring cannot change. {again}"
            )


def _result(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ScoresError(
            f"There is no {folder}. Name a run folder, a folder that rs-adapt eval wrote, or a .npz file."
        )
    try:
        result = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        unfinished = " The run is not finished: --resume goes on." if (folder / STATE_FILE).is_file() else ""
        raise ScoresError(
            f"{folder} has no result.json.{unfinished} Name a finished run, or a folder that rs-adapt eval wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise ScoresError(f"{folder / 'result.json'} cannot be read: {error}. Score again: rs-adapt eval.") from error
    return result if isinstance(result, dict) else {}


def _of_eval(folder: Path, result: dict[str, Any]) -> str:
    if isinstance(file := result.get("confusions"), str):
        return file
    known = sorted(path.parent for path in folder.glob("eval/*/confusions.npz"))
    other = f" {known[0]} has some." if known else ""
    unscored = (result.get("protocol") or {}).get("report_split", "") is None
    why = "the target has no labels" if unscored else "the run was not scored, or by an older version"
    split = " --split source-val" if unscored else ""
    raise ScoresError(
        f"{folder} has no matrices by image: {why}.{other} rs-adapt eval --checkpoint {folder}{split} writes them."
    )


def _has_file(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("confusions"), str)


def _is_split(stored: str, report: str | None, bench: Any) -> bool:
    """Whether tiles are those that a protocol reports: `test` means val where a bench has no third split."""
    if report in (None, stored):
        return True
    return (report, stored) == ("test", "val") and not _has_test(bench)


def _has_test(bench: Any) -> bool:
    try:
        return axes.peek("bench", str(bench))["bench"]["target"].get("test") is not None
    except (RsAdaptError, OSError, KeyError):
        # A bench that is not here: nobody can say that val is what it reports.
        return True


def _named(label: Any) -> Mapping[str, Any]:
    """The file of a protocol by name and version, such as `strict-1`; empty where there is none of that version."""
    name, _, version = str(label).rpartition("-")
    try:
        protocol = read_protocol(name)
    except UnknownName:
        return {}
    return protocol if str(protocol.get("version")) == version else {}
