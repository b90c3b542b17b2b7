"""Compare a run with a log or a published table: configuration, schedule, curves and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from rs_adapt.audit.verify.configuration import ConfigurationCheck, compare_configurations
from rs_adapt.audit.verify.curves import (
    LengthCheck,
    LossCheck,
    ScheduleCheck,
    ScoreCurve,
    compare_lengths,
    compare_losses,
    compare_schedules,
    compare_scores,
)
from rs_adapt.audit.verify.published import PublishedRow, find_rows, published_runs
from rs_adapt.audit.verify.record import Record
from rs_adapt.audit.verify.scores import ScoreCheck, Spread, find_spread
from rs_adapt.audit.verify.verdict import write_verdict
from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The outcome of a comparison.

    Attributes:
        verdict: One sentence.
        consistent: Whether no key that matters differs, the schedules and the numbers of iterations agree, the first of
            `scores` lies in its spread, and no result contradicts its stored matrices.
        run: The name of the run.
        reference: The name of the reference.
        configuration: The comparison of the configurations; None if a side states none.
        length: The last iterations of both; None if a side has no iterations.
        schedule: The comparison of the learning rates; None if the logs share no iteration.
        loss: The comparison of the losses; None if the logs share no iteration.
        curve: The evaluations at equal iterations.
        scores: The scores, the headline first.
        also_published: Other published scores of the cell.
        remarks: Notes for the reader.
        contradictions: Scores in a result that its matrices do not give, as sentences that name the run.
        score_title: The name of the scores.
    """

    verdict: str
    consistent: bool
    run: str
    reference: str
    configuration: ConfigurationCheck | None
    length: LengthCheck | None
    schedule: ScheduleCheck | None
    loss: LossCheck | None
    curve: ScoreCurve
    scores: tuple[ScoreCheck, ...]
    also_published: tuple[PublishedRow, ...] = ()
    remarks: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()
    score_title: str = "mIoU"

    def to_dict(self) -> dict[str, object]:
        """Return the content as plain dicts, as `--json` prints it."""
        content = asdict(self)
        for entry, score in zip(content["scores"], self.scores, strict=True):
            entry |= {"points": score.points, "within": score.within}
        return content


def verify_against_log(run: Record, reference: Record) -> Verification:
    """Compare a run with a log, or with a second run of rs-adapt.

    Raises:
        ConfigError: The two have nothing in common that can be compared, or scores of different names.
    """
    if run.last and reference.last and run.score_title != reference.score_title:
        raise ConfigError(
            f"{run.name} is scored by {run.score_title}, {reference.name} by {reference.score_title}: two runs of one "
            "bench and setting can be compared."
        )
    bench = "" if run.cell is None else run.cell.bench
    remarks = []
    if run.tested_apart and reference.last_pct is None and run.evaluations:
        # A log holds evaluations only, so the run's evaluations are compared with them.
        run = replace(run, last_pct=None, best_given=None)
        remarks.append("both scores belong to validation tiles, because a log holds no scores on test tiles.")
    if reference.mmcv and (reference.facts or {}).get("param_scheduler.type") == "PolyLR":
        remarks.append(
            f"{reference.name} is of mmcv, whose polynomial learning rate reaches its end one iteration later than "
            "mmengine's: rates of equal configurations differ in their last digits, most at the end."
        )
    pairs = {"last": reference.last, "oracle": reference.best}
    scores = []
    for selection, there in pairs.items():
        here = run.last if selection == "last" else run.best
        if here is None or there is None:
            continue
        spread = find_spread(run, reference, (), there_pct=there[0], bench=bench)
        scores.append(_score(selection, here, there, spread, reference.name))
    return _compare(run, reference, scores, word="the log's", remarks=remarks)


def verify_against_paper(run: Record) -> Verification:
    """Compare a run of rs-adapt with the published scores of its bench, setting, method and backbone.

    A published log comes first, then tables under the protocol of most benches ("paper"), then the others.

    Raises:
        ConfigError: Nothing is published for the cell, or the record names no cell.
    """
    if run.cell is None:
        raise ConfigError("Only a run folder of rs-adapt can be compared with a paper: a log names no cell.")
    cell = run.cell
    names = {"bench": cell.bench, "setting": cell.setting, "method": cell.method, "backbone": cell.backbone}
    rows = find_rows(**names)
    logs = [log for log in published_runs() if all(getattr(log, key) == value for key, value in names.items())]
    reference = logs[0].record if logs else None
    main = [row for row in rows if row.table == logs[0].name] if logs else _first_table(rows)
    scores = []
    for row in main:
        selection = row.selection
        here = run.best if selection == "oracle" else run.last
        if here is None:
            continue
        spread = find_spread(run, reference, [row], there_pct=row.miou_pct, bench=names["bench"])
        scores.append(_score(selection, here, (row.miou_pct, row.iteration), spread, row.source))
    remarks = [f"{row.table}: {text}" for row in rows for text in (row.issue, row.note) if text]
    others = tuple(row for row in rows if row not in main)
    # A table states no configuration, except that some state the head.
    stand_in = Record(name=main[0].source, facts={"cell.head": main[0].head} if main[0].head else None)
    return _compare(run, reference or stand_in, scores, word="the published", also=others, remarks=remarks)


def _first_table(rows: Sequence[PublishedRow]) -> list[PublishedRow]:
    first = min(rows, key=lambda row: row.protocol != "paper")
    return [row for row in rows if row.table == first.table]


def _score(
    selection: str, here: tuple[float, int | None], there: tuple[float, int | None], spread: Spread, source: str
) -> ScoreCheck:
    return ScoreCheck(
        selection=selection,
        here_pct=here[0],
        here_iteration=here[1],
        there_pct=there[0],
        there_iteration=there[1],
        spread=spread,
        source=source,
    )


def _compare(
    run: Record,
    reference: Record,
    scores: list[ScoreCheck],
    *,
    word: str,
    also: tuple[PublishedRow, ...] = (),
    remarks: Sequence[str] = (),
) -> Verification:
    configuration = compare_configurations(run, reference)
    length, schedule = compare_lengths(run, reference), compare_schedules(run, reference)
    loss = compare_losses(run, reference)
    curve = compare_scores(run, reference)
    # Equal keys that change no result are no comparison of two trainings.
    keys = configuration is not None and configuration.num_deciding > 0
    if not keys and schedule is None and loss is None and not scores and not curve.points:
        raise ConfigError(
            f"{run.name} and {reference.name} have nothing in common that can be compared: no key of the configuration "
            "that matters, no iteration and no score. Name the complete log of the same training, or its whole "
            "configuration."
        )
    headline = scores[0] if scores else None
    contradictions = tuple(f"{record.name}: {text}" for record in (run, reference) for text in record.contradictions)
    consistent = (
        not contradictions
        and not (configuration and configuration.matters)
        and not (length and not length.equal)
        and not (schedule and schedule.first_iteration is not None)
        and (headline is None or headline.within)
    )
    return Verification(
        verdict=write_verdict(
            headline,
            configuration,
            length,
            schedule,
            contradictions=contradictions,
            word=word,
            consistent=consistent,
        ),
        consistent=consistent,
        run=run.name,
        reference=reference.name,
        configuration=configuration,
        length=length,
        schedule=schedule,
        loss=loss,
        curve=curve,
        scores=tuple(scores),
        also_published=also,
        remarks=(*run.remarks, *reference.remarks, *remarks),
        contradictions=contradictions,
        score_title=run.score_title,
    )
