"""Scores of runs for one selection and one set of classes, and groups of runs that differ in seed. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

import numpy as np

from rs_adapt.errors import ConfigError, RsAdaptError
from rs_adapt.runs.files import RESULT_FILE
from rs_adapt.runs.identity import RunIdentity, hash_identity, identify
from rs_adapt.runs.run import Damage, Run
from rs_adapt.runs.selection import SELECTIONS
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.columns import Column, Row, column_of, row_of, settle_tiles
from rs_adapt.scores.contradictions import find_contradictions
from rs_adapt.scores.current import classes_text, current_run
from rs_adapt.scores.measures import MIOU, Measure
from rs_adapt.scores.per_image import PerImage
from rs_adapt.scores.rounding import plain
from rs_adapt.scores.stored import open_stored
from rs_adapt.scores.variants import describe_split, name_variants


@dataclass(frozen=True, kw_only=True)
class RunScore:
    """A finished run and its score.

    Attributes:
        run: A run with a result.
        column: The facts of the scoring; scores of different columns are not comparable.
        selection: Name of the selection: last, guarded, best_source_val, best_label_free or oracle.
        miou_pct: Mean over the chosen classes; None where nothing was scored.
        iou_pct: IoU by class.
        by_selection: The same mean by selection.
        per_image: The matrices behind the score; None where none are stored.
        chosen: The classes in the mean; None without matrices.
    """

    run: Run
    column: Column
    selection: str
    miou_pct: float | None
    iou_pct: Mapping[str, float | None]
    by_selection: Mapping[str, float | None]
    per_image: PerImage | None = None
    chosen: ClassSet | None = None

    @property
    def measure(self) -> Measure:
        """The score that stands in the place of mIoU: of classification accuracy or harmonic mean."""
        return MIOU if self.chosen is None else self.chosen.measure


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs that differ in their seed only, in the order of the seeds.

    Attributes:
        column: The facts of the scoring.
        row: The facts of the training.
        scores: The runs and their scores.
        identity: All that changes the result of its runs, except for the seed; empty where it is not known.
    """

    column: Column
    row: Row
    scores: tuple[RunScore, ...]
    identity: RunIdentity = field(default_factory=dict)

    @property
    def values(self) -> tuple[float, ...]:
        """The mIoU in percent of each seed that has one."""
        return tuple(score.miou_pct for score in self.scores if score.miou_pct is not None)

    @property
    def mean(self) -> float | None:
        """The mean of `values`; None if no seed has a score."""
        return mean(self.values) if self.values else None

    def mean_of(self, selection: str) -> float | None:
        """Return the mean for a selection; None unless every seed has a score for it."""
        values = [score.by_selection.get(selection) for score in self.scores]
        defined = [value for value in values if value is not None]
        return mean(defined) if defined and len(defined) == len(values) else None


@dataclass(kw_only=True)
class Scores:
    """Groups in the order of tables, and `all_runs`; `damaged` and `remarks` explain what the groups leave out."""

    all_runs: list[RunScore] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    damaged: list[Damage] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def score_runs(runs: Iterable[Run], *, selection: str | None = None, classes: str | None = None) -> Scores:
    """Score finished runs and group them.

    Args:
        runs: Runs with results.
        selection: One of `SELECTIONS`; None takes each run's headline.
        classes: The classes in the mean, as for `class_set`; None takes those of each run's protocol.

    Raises:
        ConfigError: No run can be scored with these classes; the message is that of the first run.
    """
    scores = Scores()
    refused: list[ConfigError] = []
    by_name: dict[tuple[Column, Row], list[RunScore]] = {}
    for run in runs:
        score, damaged = _score(run, selection, classes, refused)
        scores.damaged += damaged
        scores.all_runs.append(score)
    columns = settle_tiles([score.column for score in scores.all_runs])
    scores.all_runs = [replace(score, column=column) for score, column in zip(scores.all_runs, columns, strict=True)]
    for score in scores.all_runs:
        by_name.setdefault((score.column, row_of(score.run)), []).append(score)
    for (column, row), members in sorted(by_name.items(), key=lambda item: item[0]):
        scores.groups += _groups_of_name(column, row, members, scores.remarks)
    if refused and not any(group.values for group in scores.groups):
        raise refused[0]
    return scores


def _score(
    run: Run, selection: str | None, classes: str | None, refused: list[ConfigError]
) -> tuple[RunScore, list[Damage]]:
    stated, run = run.result, current_run(run)
    result = run.result
    assert stated is not None
    assert result is not None
    wanted = selection or result.headline or result.protocol.selection or "last"
    damaged: list[Damage] = []
    per_image, chosen, iou = None, None, {}
    by_selection: dict[str, float | None] = {}
    # What `rs-adapt eval` wrote has one score, of no selection of its own.
    single = None if result.selections else result.headline or result.protocol.selection or "last"
    # Selections often name the same checkpoint.
    read: dict[str | None, tuple[PerImage, ClassSet] | None] = {}
    for name in dict.fromkeys((*SELECTIONS, wanted)):
        checkpoint = result.selections.get(name)
        file = result.confusions if name == single else checkpoint.confusions if checkpoint else None
        if file not in read:
            read[file] = _stored(run, name if checkpoint else None, classes, damaged, refused) if file else None
        matrices = read[file]
        if matrices is None:
            # Without matrices the numbers of the result stand, if they are the requested ones.
            by_selection[name] = checkpoint.score_pct if checkpoint and not classes else None
            continue
        total_KK = matrices[1].counted(matrices[0].total_KK()[None])
        by_selection[name] = plain(matrices[1].overall(total_KK)[0])
        if name == wanted:
            per_image, chosen = matrices
            iou = {
                chosen.classes[index]: plain(value)
                for index, value in enumerate(chosen.by_class(total_KK)[0])
                if index in chosen.scored
            }
    if per_image is None and wanted == (single or result.headline or "last") and not classes:
        by_selection[wanted], iou = result.score_pct, dict(result.iou_pct)
    matrices_by_file = {file: pair[0] for file, pair in read.items() if file is not None and pair is not None}
    damaged += [
        Damage(place=run.folder / RESULT_FILE, why=str(contradiction))
        for contradiction in find_contradictions(stated, matrices_by_file)
    ]
    facts = {} if per_image is None else per_image.facts
    score = RunScore(
        run=run,
        column=column_of(
            run,
            wanted,
            classes_text(result, chosen, iou, by_name=bool(classes)),
            classes=tuple(iou),
            tiles=facts.get("data_sha256"),
            precision=facts.get("precision"),
        ),
        selection=wanted,
        miou_pct=by_selection[wanted],
        iou_pct=iou,
        by_selection=by_selection,
        per_image=per_image,
        chosen=chosen,
    )
    return score, damaged


def _stored(
    run: Run, selection: str | None, classes: str | None, damaged: list[Damage], refused: list[ConfigError]
) -> tuple[PerImage, ClassSet] | None:
    """Return the matrices of a selection and the classes in the mean; None where they cannot be used."""
    try:
        stored = open_stored(run.folder, selection)
        chosen = class_set(
            stored.per_image.classes,
            chosen=classes or stored.classes,
            absent=stored.absent,
            measure=stored.per_image.measure,
        )
        return stored.per_image, chosen
    except RsAdaptError as error:
        if classes and isinstance(error, ConfigError):
            refused.append(error)
        damaged.append(Damage(place=run.folder, why=str(error)))
        return None


def _groups_of_name(column: Column, row: Row, scores: list[RunScore], remarks: list[str]) -> list[Group]:
    """Return a group for each identity: runs of one name may have been made with different settings or data."""
    by_hash: dict[str, tuple[RunIdentity, list[RunScore]]] = {}
    for score in scores:
        identity = identify(score.run)
        by_hash.setdefault(hash_identity(identity), (identity, []))[1].append(score)
    names = name_variants({key: identity for key, (identity, _) in by_hash.items()})
    groups = [
        Group(
            column=column,
            row=replace(row, variant=names[key]),
            scores=tuple(_newest_by_seed(members, remarks)),
            identity=identity,
        )
        for key, (identity, members) in by_hash.items()
    ]
    if len(groups) > 1:
        remarks.append(describe_split(groups[0].scores[0].run, {group.row.variant: _seeds(group) for group in groups}))
    remarks += [
        f"{len(group.scores)} runs of {group.scores[0].run.name.rpartition(' / ')[0]} hold no configuration that can "
        "be read; that they are seeds of one experiment is known from their names alone."
        for group in groups
        if not group.identity and len(group.scores) > 1
    ]
    return sorted(groups, key=lambda group: group.row)


def _seeds(group: Group) -> list[int]:
    return [score.run.seed for score in group.scores]


def _newest_by_seed(scores: list[RunScore], remarks: list[str]) -> list[RunScore]:
    """Return the newest run of each seed: a seed that counts twice would look like two seeds."""
    by_seed: dict[int, list[RunScore]] = {}
    for score in scores:
        by_seed.setdefault(score.run.seed, []).append(score)
    selected = []
    for _, same in sorted(by_seed.items(), key=lambda item: item[0]):
        *older, newest = sorted(same, key=lambda score: str(score.run.result and score.run.result.finished))
        selected.append(newest)
        remarks += [
            f"{score.run.folder} has the same cell and seed as {newest.run.folder}, which is newer; the older run is "
            "in results.csv only."
            for score in older
        ]
    return selected


def score_title(groups: Iterable[Group]) -> str:
    """Return the name of the score of some groups for people; "score" where their tasks have different ones."""
    titles = {score.measure.title for group in groups for score in group.scores}
    return titles.pop() if len(titles) == 1 else "score" if titles else MIOU.title


def commits(groups: Iterable[Group]) -> set[str]:
    """Return the commits that made the runs, with a `+` where the files had uncommitted changes."""
    revisions = set()
    for group in groups:
        for score in group.scores:
            if git := score.run.environment.git:
                revisions.add(f"{str(git.commit)[:12]}{'+' if git.dirty else ''}")
    return revisions


def matrices_of(group: Group) -> list[tuple[PerImage, ClassSet]]:
    """Return matrices and classes of every seed of a group; empty unless all have them."""
    pairs = [(score.per_image, score.chosen) for score in group.scores]
    stored = [(per_image, chosen) for per_image, chosen in pairs if per_image is not None and chosen is not None]
    return stored if len(stored) == len(pairs) else []


def confusion_of(group: Group) -> tuple[np.ndarray[Any, Any], tuple[str, ...]] | None:
    """Return pixel counts (K, K) summed over the seeds, and the class names; None without matrices."""
    matrices = [per_image for per_image, _ in matrices_of(group)]
    if len({per_image.classes for per_image in matrices}) != 1:
        return None
    return np.sum([per_image.total_KK() for per_image in matrices], axis=0), matrices[0].classes
