"""Rules on a run folder: whether its files belong together, and which code wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rs_adapt
from rs_adapt.audit.lint.changes import ABSENT, equal_values, lookup
from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import Subject
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import UnreadableFile
from rs_adapt.files import file_sha256
from rs_adapt.runs.files import CELL_FILE, MANIFEST_FILE, RESULT_FILE, TENSORS_FILE
from rs_adapt.runs.records import Result, read_record
from rs_adapt.scores.class_sets import class_set
from rs_adapt.scores.contradictions import check_manifest, check_result
from rs_adapt.turbulence.image_scores import check_images

_SHOWN = 10
_TRUST = "The score was not made with this config."


def config_was_edited(subject: Subject) -> Iterator[Hit]:
    """A `config.py` that differs from what the run's cell and options compose to; a note if only `configs/` changed."""
    if (run := subject.run) is None:
        return
    if run.incomparable:
        yield Hit(
            level="note",
            key="cell",
            found=run.incomparable,
            consequence="It cannot be determined whether config.py was edited.",
            remedy="Lint the run with the version of rs-adapt and the files of configs/ that made it.",
        )
    logged = run.logged or {}
    for number, change in enumerate(run.edited[:_SHOWN], start=1):
        # The log holds the config that the run used: it shows whether config.py was edited later.
        unchanged = equal_values(lookup(logged, change.key), change.now)
        more = f" (and {len(run.edited) - _SHOWN} more keys)" if number == _SHOWN and len(run.edited) > _SHOWN else ""
        yield Hit(
            level="note" if unchanged else "error",
            key=change.key,
            found=f"{_text(change.now)}, but the run's cell and options compose to {_text(change.before)}{more}",
            consequence="The run used this value, as its log shows; the files of configs/ have changed since."
            if unchanged
            else _TRUST,
            remedy="Evaluate the run with the version that made it."
            if unchanged
            else "Train again, and set the value with --set.",
        )


def result_differs_from_config(subject: Subject) -> Iterator[Hit]:
    """A `result.json` whose cell, protocol, split, selection, classes or inference differ from `config.py`."""
    run = subject.run
    if run is None or run.result is None:
        return
    cfg, protocol = subject.cfg, run.result.protocol.content()
    test = subject.dataset("test")
    expected: dict[str, tuple[str, object]] = {
        "protocol.name": ("name", cfg["protocol"]["name"]),
        "protocol.version": ("version", cfg["protocol"]["version"]),
        "protocol.selection": ("selection", cfg["protocol"]["selection"]),
    }
    if subject.is_super_resolution:
        # There is no teacher, no class and no window.
        expected["test_dataloader.dataset.split"] = ("report_split", test and test["split"])
    else:
        expected |= {
            "protocol.weights": ("weights", cfg["protocol"]["weights"]),
            "test_dataloader.dataset.name": ("report_split", test and " ".join(test["name"].split("/")[-2:])),
            "protocol.classes": ("classes_scored", _scored_names(cfg)),
            "bench.inference": ("inference", dict(cfg["bench"]["inference"])),
        }
    pairs = [(key, protocol.get(name, ABSENT), value) for key, (name, value) in expected.items()]
    pairs.append(("cell", run.result.cell.content(), dict(cfg["cell"])))
    for key, stated, value in pairs:
        # A target without labels: the last weights are what there is, whatever the protocol asks for.
        fallback = key == "protocol.selection" and stated == "last" and test is None
        if not equal_values(stated, value) and not fallback:
            yield Hit(
                level="error",
                key=key,
                found=f"{_text(stated)} in result.json, {_text(value)} in config.py",
                consequence="The score does not belong to the config beside it.",
                remedy="Trust neither: restore the files of the run, or train again.",
            )
    given, started = list(run.result.options.overrides), list(run.start.options.overrides)
    if not equal_values(given, started):
        yield Hit(
            level="error",
            file=str(run.folder / RESULT_FILE),
            key="options.overrides",
            found=f"{given} here, {started} in cell.json",
            consequence="One of the two files belongs to a different run.",
            remedy="Restore the files of the run, or train again.",
        )


def result_contradicts_matrices(subject: Subject) -> Iterator[Hit]:
    """A score in `result.json` or `manifest.json` that the stored confusion matrices or images' scores do not give."""
    run = subject.run
    if run is None or run.result is None:
        return
    of_manifest = () if run.manifest is None else check_manifest(run.manifest, run.result)
    check = check_images if subject.is_super_resolution else check_result
    for name, sentences in ((RESULT_FILE, check(run.folder, run.result)), (MANIFEST_FILE, of_manifest)):
        for sentence in sentences:
            yield Hit(
                level="error",
                file=str(run.folder / name),
                key=run.result.score_key,
                found=sentence,
                consequence="Nobody can tell which of the two is the score of the run.",
                remedy="Copy the run again, or score it again: rs-adapt eval RUN.",
            )


def weights_of_another_run(subject: Subject) -> Iterator[Hit]:
    """A pack whose tensors are not those of its manifest, or a result below eval/ that belongs to different weights."""
    if (run := subject.run) is None or run.manifest is None:
        return
    wanted = None if run.manifest.tensors is None else run.manifest.tensors.sha256
    pack = run.folder / TENSORS_FILE
    if pack.is_file() and (digest := file_sha256(pack)) != wanted:
        yield Hit(
            level="error",
            file=str(pack),
            key="tensors.sha256",
            found=f"{digest[:16]}... here, {str(wanted)[:16]}... in manifest.json",
            consequence="The weights in the folder are not those that the result was scored with.",
            remedy="Copy the pack again, or train again.",
        )
    for file in sorted(run.folder.glob("eval/*/result.json")):
        scored = _pack_sha256(file)
        # Evaluations of super-resolution by older versions do not state it.
        if scored != wanted and not (scored is None and subject.is_super_resolution):
            yield Hit(
                level="error",
                file=str(file),
                key="pack_sha256",
                found=f"{str(scored)[:16]}... here, {str(wanted)[:16]}... in the run's manifest.json",
                consequence="This evaluation scored different weights from those in the run folder.",
                remedy="Evaluate again: rs-adapt eval RUN.",
            )


def other_code(subject: Subject) -> Iterator[Hit]:
    """A run by a different version of rs-adapt, or by a checkout with uncommitted changes."""
    if (run := subject.run) is None:
        return
    environment = (run.result or run.start).environment
    version, git = environment.rs_adapt, environment.git
    if version != rs_adapt.__version__:
        yield Hit(
            level="note",
            file=str(run.folder / CELL_FILE),
            key="environment.rs_adapt",
            found=f"made with rs-adapt {version}; {rs_adapt.__version__} is installed here",
            consequence="The same command may give a different score now.",
            remedy="Use the version that made the run to repeat it.",
        )
    if git is not None and git.dirty:
        yield Hit(
            level="note",
            file=str(run.folder / CELL_FILE),
            key="environment.git.dirty",
            found=f"uncommitted changes on commit {str(git.commit)[:12]}",
            consequence="No commit holds the code that made this score, so nobody can repeat it.",
            remedy="Commit the changes, and train again before the score enters a table.",
        )


def run_not_finished(subject: Subject) -> Iterator[Hit]:
    """A run without `result.json`, so that the rules on a result were not checked."""
    if (run := subject.run) is not None and run.result is None:
        yield Hit(
            level="note",
            file=str(run.folder),
            key="status",
            found="there is no result.json",
            consequence="The run is not finished, so the rules on its result were not checked.",
            remedy="Continue it with --resume.",
        )


def _scored_names(cfg: ConfigNode) -> list[str]:
    return list(class_set(list(cfg["bench"]["classes"]), chosen=cfg["protocol"]["classes"]).scored_names())


def _pack_sha256(file: Path) -> str | None:
    try:
        result = read_record(file, Result)
    except UnreadableFile:
        return "unreadable"
    return None if result is None else result.pack_sha256


def _text(value: Any) -> str:
    return "nothing" if isinstance(value, str) and value == ABSENT else repr(value)
