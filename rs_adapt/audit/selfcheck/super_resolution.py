"""Checks that are other ones for runs of super-resolution: scores of images, one checkpoint, images in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rs_adapt.audit.lint.changes import equal_values
from rs_adapt.audit.selfcheck.outcome import Check, conclude, give_up
from rs_adapt.audit.selfcheck.subject import Subject
from rs_adapt.config.facts import ConfigNode
from rs_adapt.datasets.prepare_flow import digest_flow
from rs_adapt.errors import RsAdaptError, ScoresError
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.runs.data import ROLES, describe_change
from rs_adapt.runs.files import IMAGES_FILE
from rs_adapt.runs.records import data_facts
from rs_adapt.turbulence.image_scores import find_contradictions, read_scores
from rs_adapt.turbulence.storage import SPLITS


def check_image_scores(subject: Subject) -> Iterator[Check]:
    """Recompute every measure of `result.json`, and its interval, from the scores of the images."""
    try:
        scores = read_scores(subject.folder / IMAGES_FILE)
    except ScoresError as error:
        yield from conclude("scores", [str(error)], checked="")
        return
    contradictions, bench = find_contradictions(subject.result, scores), _config(subject)["bench"]
    for key, stated, value in (
        ("bench", scores.bench, bench["name"]),
        ("scale", scores.scale, bench["scale"]),
        ("degradation", scores.degradation, bench["degradation"]),
    ):
        if stated != value:
            contradictions.append(f"{IMAGES_FILE} has {key} {stated!r}, the configuration {value!r}.")
    contradictions += _compare_images(subject, {image.snapshot for image in scores.images}, scores.data_sha256)
    if len({image.name for image in scores.images}) < len(scores.images):
        contradictions.append(f"{IMAGES_FILE} has an image twice.")
    yield from conclude("scores", contradictions, checked=f"recomputed from the scores of {len(scores.images)} images")


def check_last(subject: Subject) -> Iterator[Check]:
    """Check that the last weights are the result: nothing chooses among checkpoints."""
    result, iters = subject.result, int(_config(subject)["train_cfg"]["max_iters"])
    contradictions = []
    if set(result.selections) != {"last"} or result.headline != "last":
        names = ", ".join(result.selections) or "none"
        contradictions.append(f"result.json has the selections {names} and the headline {result.headline}, not last.")
    points = {f"selections.{name}": point.iter for name, point in result.selections.items() if point is not None}
    for key, iteration in (("iter", result.iter), *points.items()):
        if iteration != iters:
            contradictions.append(
                f"result.json has iteration {iteration} as {key}, the configuration ends with {iters}."
            )
    yield from conclude("selections", contradictions, checked="the last weights, as no other are scored")


def check_validation(subject: Subject) -> Iterator[Check]:
    """Say that evaluations during training cannot be recomputed."""
    yield from give_up("curve", "no file stores the scores of single images of the evaluations; eval --split val does")


def check_split(subject: Subject) -> Iterator[Check]:
    """Compare the protocol in `result.json` with the shipped one."""
    stated, protocol = subject.result.protocol, _config(subject)["protocol"]
    expected = {
        "name": (stated.name, protocol["name"]),
        "version": (stated.version, protocol["version"]),
        "selection": (stated.selection, protocol["selection"]),
        "scored_by": (stated.scored_by, "this run"),
        "report_split": (stated.report_split, _config(subject)["test_dataloader"]["dataset"]["split"]),
    }
    contradictions = [
        f"result.json has protocol.{key} {value!r}, the shipped files compose to {wanted!r}."
        for key, (value, wanted) in expected.items()
        if not equal_values(value, wanted)
    ]
    yield from conclude("protocol", contradictions, checked=f"{protocol['name']}-{protocol['version']} as shipped")


def check_images(subject: Subject, on_progress: OnProgress = no_progress) -> Iterator[Check]:
    """Compare `data.json` with the images that are on this machine."""
    if subject.data is None:
        return
    config = _config(subject)
    folder, contradictions, compared = Path(config["prepared_dir"]), [], []
    for number, (role, before) in enumerate(subject.data.roles.items(), start=1):
        split = next((split for split in SPLITS if split == role), None)
        if split is None:
            contradictions.append(f"data.json has {role}, which is no split of images. Allowed: {', '.join(SPLITS)}.")
            continue
        try:
            now = digest_flow(
                folder, split, num_snapshots=config["bench"]["train_snapshots"] if role == "train" else None
            )
        except (RsAdaptError, OSError) as error:
            yield from give_up("images", f"they are not on this machine: {error}")
            return
        on_progress("reading images", number, len(subject.data.roles))
        compared.append(role)
        facts = data_facts(before)
        if data_facts(now).sha256 != facts.sha256:
            change = describe_change(role, before, facts, now)
            contradictions.append(f"The images here are not those of the run: {change}.")
    yield from conclude("images", contradictions, checked=f"pixels of {', '.join(compared)} on this machine")


def _compare_images(subject: Subject, snapshots: set[str], sha256: str) -> Iterator[str]:
    digests = None if subject.data is None else subject.data.roles.get("test")
    if digests is None:
        return
    if snapshots != set(digests):
        yield f"{IMAGES_FILE} has {len(snapshots)} snapshots, data.json {len(digests)} as {ROLES.get('test', 'test')}."
    if sha256 != data_facts(digests).sha256:
        yield f"{IMAGES_FILE}: the fingerprint of its images is not that of test in data.json."


def _config(subject: Subject) -> ConfigNode:
    return subject.config if subject.expected is None else subject.expected
