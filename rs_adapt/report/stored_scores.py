"""Where the confusion matrices of a run lie, and whether they answer a protocol. Loads no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rs_adapt.config import axes
from rs_adapt.errors import RsAdaptError, ScoresError, UnknownName
from rs_adapt.metrics.per_image import PerImage

SELECTIONS = ("last", "best_source_val", "best_label_free", "oracle")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Matrices as they were found.

    Args:
        file: Where they lie.
        per_image: The matrices and facts about them.
        selection: Which checkpoint they are of: last, best_source_val, best_label_free or oracle.
        setting: da, dg or ss of the training; None where the place does not tell.
    """

    file: Path
    per_image: PerImage
    selection: str
    setting: str | None


def open_stored(place: Path, selection: str | None = None) -> Stored:
    """Find and read the matrices of a run.

    Args:
        place: A run folder, a folder that `rs-adapt eval` wrote, or one `.npz` file.
        selection: Which checkpoint of a run; None is the run's headline.

    Raises:
        UnknownName: There is no such selection.
        ScoresError: The place holds no matrices, none of that selection, or they cannot be read.
    """
    if selection is not None and axes.normal(selection) not in SELECTIONS:
        raise UnknownName(axes.unknown_text("selection", selection, SELECTIONS))
    wanted = None if selection is None else axes.normal(selection)
    result = {} if place.is_file() else _result(place)
    selections = result.get("selections")
    if isinstance(selections, dict) and any(_has_file(entry) for entry in selections.values()):
        wanted = wanted or str(result.get("headline", "last"))
        if not _has_file(selections.get(wanted)):
            there = ", ".join(name for name, entry in selections.items() if _has_file(entry))
            raise ScoresError(f"{place} has no matrices of the selection {wanted}. There are: {there}.")
        file = place / selections[wanted]["confusions"]
    elif place.is_file():
        file = place
    else:
        file = place / _of_eval(place, result)
    per_image = PerImage.load(file)
    found = str(per_image.facts.get("selection") or wanted or "last")
    if wanted not in (None, found):
        raise ScoresError(
            f"{file} is of the selection {found}, and {wanted} is asked for. Name the run folder, which has those that "
            "were stored."
        )
    setting = (result.get("trained_on") or result.get("cell") or {}).get("setting")
    return Stored(file=file, per_image=per_image, selection=found, setting=setting)


def protocol_name(stored: Stored) -> str | None:
    """Name of the protocol that the matrices were made under; None where they do not say."""
    facts = stored.per_image.facts.get("protocol")
    name = facts.get("name") if isinstance(facts, dict) else facts
    return None if name is None else str(name)


def read_protocol(name: str) -> Mapping[str, Any]:
    """What a protocol says; `name` is among it.

    Raises:
        UnknownName: There is no such protocol.
    """
    protocol: Mapping[str, Any] = axes.peek("protocol", axes.find("protocol", name))["protocol"]
    return protocol


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
    keys = ["unlabelled_split", "target_crops"] if stored.setting in (None, "da") else []
    keys += ["label_free"] if protocol.get("selection") == "best_label_free" else []
    own = _own_protocol(stored)
    for key in keys:
        if own.get(key) != protocol.get(key):
            raise ScoresError(
                f"Protocol {name} has {key} {protocol.get(key)!r}, and {stored.file} is of a run with "
                f"{own.get(key)!r}, which scoring cannot change. {again}"
            )


def _result(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ScoresError(
            f"There is no {folder}. Name a run folder, a folder that rs-adapt eval wrote, or a .npz file."
        )
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        unfinished = " The run is not finished: --resume goes on." if (folder / "state.pth").is_file() else ""
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


def _own_protocol(stored: Stored) -> Mapping[str, Any]:
    facts = stored.per_image.facts.get("protocol")
    if isinstance(facts, dict) and "target_crops" in facts:
        return facts
    name = protocol_name(stored)
    return read_protocol(name) if name else {}
