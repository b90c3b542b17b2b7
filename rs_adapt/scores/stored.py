"""The stored confusion matrices of a run, and the check whether a protocol can be scored from them. Loads no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config import axes
from rs_adapt.config.added_keys import absent_classes_of
from rs_adapt.config.facts import ABSENT_CLASSES, AbsentClasses
from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import RsAdaptError, ScoresError, UnknownName
from rs_adapt.runs.files import RESULT_FILE, STATE_FILE
from rs_adapt.runs.hashes import find_changes
from rs_adapt.runs.means import scored_folder
from rs_adapt.runs.records import InferenceFacts, ProtocolFacts, Result, SelectedCheckpoint, read_record
from rs_adapt.runs.run import Run
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.contradictions import find_contradictions, matrix_files
from rs_adapt.scores.per_image import PerImage
from rs_adapt.validation import parse_as


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Stored matrices and the protocol that they belong to.

    Args:
        file: The file of the matrices.
        per_image: The matrices, with facts about them.
        selection: The selection of their checkpoint: last, guarded, best_source_val, best_label_free or oracle; "as
            released" for an imported checkpoint; None where no file states it.
        protocol: `protocol` of `result.json`, else the content of the protocol that the matrices name; without any
            value if there is neither.
        notes: Sentences of `result.json` that one has to know before trusting the score.
        result: Content of `result.json`; None for a single file.
        changes: Sentences about files that were changed after the run had ended.
    """

    file: Path
    per_image: PerImage
    selection: str | None
    protocol: ProtocolFacts
    notes: tuple[str, ...] = ()
    result: Result | None = None
    changes: tuple[str, ...] = ()

    @property
    def protocol_label(self) -> str | None:
        """Name and version of the protocol that the matrices were made under; None if they do not state it."""
        label = self.per_image.facts.get("protocol")
        return None if label is None else str(label)

    @property
    def precision(self) -> str | None:
        """The precision that the matrices were made in, `fp32` or `bf16`; None if no file states it."""
        stated = self.per_image.facts.get("precision")
        if stated is not None:
            return str(stated)
        folder = self.file.parent
        return precision_of(folder if (folder / RESULT_FILE).is_file() else folder.parent, self.result)

    @property
    def classes(self) -> str:
        """The classes that the protocol takes the mean over, as words of `class_set`."""
        return classes_of(self.protocol)

    @property
    def absent(self) -> AbsentClasses:
        """What a class without true pixels counts under the protocol; a single file may state it by itself."""
        own = self.per_image.facts.get("absent_classes")
        return own if self.result is None and own in ABSENT_CLASSES else absent_of(self.protocol)

    @property
    def contradictions(self) -> list[str]:
        """The scores of `result.json` that these matrices contradict, and files that were changed, as sentences."""
        if self.result is None:
            return []
        # Below the folder of the result as deep as the result names it.
        names = [name for name in matrix_files(self.result).values() if self.file.as_posix().endswith(f"/{name}")]
        return [*self.changes, *map(str, find_contradictions(self.result, dict.fromkeys(names, self.per_image)))]


def absent_of(protocol: ProtocolFacts) -> AbsentClasses:
    """Return what a class without true pixels counts in scores that are computed from stored matrices.

    Results of version 0.1.0 do not state it; the file of their protocol does.
    """
    return protocol.absent_classes or absent_classes_of(str(protocol.name))


def open_stored(place: Path, selection: str | None = None) -> Stored:
    """Find and read the matrices of a run.

    Args:
        place: A run folder, the folder of a mean, one that `rs-adapt eval` wrote, or one `.npz` file.
        selection: The selection of the checkpoint; None takes the run's headline.

    Raises:
        UnknownName: There is no such selection.
        ScoresError: The place holds no matrices, none of that selection, or they cannot be read.
    """
    if selection is not None and normalize(selection) not in SELECTIONS:
        raise UnknownName(unknown_name_message("selection", selection, SELECTIONS))
    wanted, place = None if selection is None else normalize(selection), scored_folder(place)
    result = None if place.is_file() else _read_result(place)
    protocol = None
    if result is None:
        file, stored = place, None
    elif files := {name: own for name, entry in result.selections.items() if (own := _file_of(entry)) is not None}:
        stored = wanted = wanted or result.headline or "last"
        if wanted not in files:
            raise ScoresError(f"{place} has no matrices of the selection {wanted}. It has: {', '.join(files)}.")
        file, protocol = place / files[wanted], result.protocol
    else:
        file, stored, protocol = place / _file_of_eval(place, result), result.protocol.selection, result.protocol
    if wanted not in (None, stored):
        state = "does not state its selection" if stored is None else f"belongs to the selection {stored}"
        raise ScoresError(
            f"{file} {state}, but {wanted} was requested. Name the run folder, which has all stored selections."
        )
    per_image = PerImage.load(file)
    if protocol is None or not protocol.model_fields_set:
        protocol = _named_protocol(per_image.facts.get("protocol"))
    notes = () if result is None else tuple(result.notes)
    changes = () if result is None else tuple(find_changes(place, (RESULT_FILE, os.path.relpath(file, place))))
    return Stored(
        file=file,
        per_image=per_image,
        selection=stored,
        protocol=protocol,
        notes=notes,
        result=result,
        changes=changes,
    )


def precision_of(folder: Path, result: Result | None) -> str | None:
    """Return the precision that a stored result was scored with, `fp32` or `bf16`; None where no file states it.

    Results of version 0.1.0 do not record it; a run's own is that of its configuration.

    Args:
        folder: A run folder, or a folder that `rs-adapt eval` wrote.
        result: Content of its `result.json`; None for a folder without one.
    """
    if result is not None and result.precision is not None:
        return result.precision
    try:
        runtime = (Run.read(folder).config or {}).get("runtime")
    except RsAdaptError:
        return None
    return str(runtime["precision"]) if isinstance(runtime, dict) and "precision" in runtime else None


def headline_matrix(run_dir: Path, result: Result) -> NDArray[np.int64] | None:
    """Return the confusion matrix from which the scores of a run were computed.

    Args:
        run_dir: The run folder.
        result: Content of its `result.json`.

    Returns:
        Pixel counts (K, K), row = truth, column = prediction; None for a run that was not scored.

    Raises:
        ScoresError: The file with the matrices is missing or damaged.
    """
    file = _file_of(result.selections.get(result.headline or ""))
    return None if file is None else PerImage.load(run_dir / file).total_KK()


def read_protocol(name: str) -> ProtocolFacts:
    """Return the content of a protocol's file; it names splits without region: `test`, not `south test`.

    Raises:
        UnknownName: There is no such protocol.
    """
    stem = axes.find("protocol", name)
    return parse_as(ProtocolFacts, axes.peek("protocol", stem)["protocol"], file=f"configs/protocol/{stem}.py")


def classes_of(protocol: ProtocolFacts) -> str:
    """Return the classes that a protocol takes the mean over, as words of `class_set`."""
    classes = protocol.classes or "all"
    return classes if isinstance(classes, str) else ",".join(classes)


def check_protocol(stored: Stored, protocol: ProtocolFacts) -> None:
    """Refuse a protocol that cannot be scored from the stored matrices.

    Selection and classes are not checked.

    Raises:
        ScoresError: The matrices differ from the protocol; the message names the command that produces matching ones.
    """
    facts, name = stored.per_image.facts, str(protocol.name).replace("_", "-")
    again = f"Train with it: rs-adapt train --protocol {name} ..."
    report, split = protocol.report_split, str(facts.get("split"))
    if report == "server":
        raise ScoresError(
            f"Protocol {name} is scored by the data set's server, which keeps the test labels. Choose a "
            "different protocol."
        )
    if not _is_split(split.rpartition(" ")[2], report, facts.get("bench")):
        raise ScoresError(
            f"Protocol {name} scores the {report} tiles, but {stored.file} has scores of {split}. Score those tiles: "
            f"rs-adapt eval RUN --split {report}, and name the folder that it writes."
        )
    weights = protocol.weights or "student"
    if weights != facts.get("weights", "student"):
        other = facts.get("weights", "student")
        raise ScoresError(f"Protocol {name} scores the {weights}, but {stored.file} has scores of the {other}. {again}")
    mode, stored_mode = _mode_of(protocol), (facts.get("inference") or {}).get("mode")
    if mode is not None and mode != stored_mode:
        raise ScoresError(
            f"Protocol {name} predicts in mode {mode}, but {stored.file} was predicted in mode {stored_mode}. {again}"
        )
    if tta := (facts.get("inference") or {}).get("tta"):
        raise ScoresError(f"Protocol {name} averages no views, but {stored.file} does ({tta}). Score without --tta.")
    keys = ["unlabelled_split", "target_crops"]
    keys += ["label_free"] if protocol.selection == "best_label_free" else []
    own = stored.protocol
    for key in keys:
        # A run that does not train on the target stores None; a split is stored with its region in front.
        given, wanted = getattr(own, key), getattr(protocol, key)
        value = "unknown" if key not in own.model_fields_set else given and str(given).rpartition(" ")[2]
        if value is not None and value != wanted:
            raise ScoresError(
                f"Protocol {name} has {key} {wanted!r}, but {stored.file} comes from a run with "
                f"{value!r}, which scoring cannot change. {again}"
            )


def _read_result(folder: Path) -> Result:
    if not folder.is_dir():
        raise ScoresError(
            f"There is no {folder}. Name a run folder, a folder that rs-adapt eval wrote, or a .npz file."
        )
    result = read_record(folder / RESULT_FILE, Result, error=ScoresError, remedy="Score again: rs-adapt eval.")
    if result is None:
        unfinished = " The run is not finished: --resume continues it." if (folder / STATE_FILE).is_file() else ""
        raise ScoresError(
            f"{folder} has no result.json.{unfinished} Name a finished run, or a folder that rs-adapt eval wrote."
        )
    return result


def _file_of_eval(folder: Path, result: Result) -> str:
    if result.confusions is not None:
        return result.confusions
    scored = sorted(path.parent for path in folder.glob("eval/*/confusions.npz"))
    evaluated = f" {scored[0]} has some." if scored else ""
    protocol = result.protocol
    unscored = "report_split" in protocol.model_fields_set and protocol.report_split is None
    reason = "the target has no labels" if unscored else "the run was not scored, or an older version wrote it"
    split = " --split source-val" if unscored else ""
    raise ScoresError(
        f"{folder} has no confusion matrices by image: {reason}.{evaluated} rs-adapt eval {folder}{split} writes them."
    )


def _file_of(checkpoint: SelectedCheckpoint | None) -> str | None:
    return None if checkpoint is None else checkpoint.confusions


def _mode_of(protocol: ProtocolFacts) -> str | None:
    """Return the inference mode that a protocol asks for; None where any will do."""
    inference = protocol.inference
    return inference.mode if isinstance(inference, InferenceFacts) else inference


def _is_split(stored: str, report: str | None, bench: object) -> bool:
    """Return whether a stored split is the one that a protocol reports; `test` is val if a bench has no third split."""
    if report in (None, stored):
        return True
    return (report, stored) == ("test", "val") and not _has_test(bench)


def _has_test(bench: object) -> bool:
    try:
        return axes.bench_facts(str(bench))["target"].get("test") is not None
    except (RsAdaptError, OSError, KeyError):
        # An unknown bench: it may have a test split, so val is not taken for it.
        return True


def _named_protocol(label: object) -> ProtocolFacts:
    """Return the protocol of a name and version, such as `strict-1`; one without values if it does not exist."""
    name, _, version = str(label).rpartition("-")
    try:
        protocol = read_protocol(name)
    except UnknownName:
        return ProtocolFacts()
    return protocol if str(protocol.version) == version else ProtocolFacts()
