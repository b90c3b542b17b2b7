"""Indicators without labels of finished runs whose scores on the target are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.errors import ConfigError, RsAdaptError
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.ensemble import load_calibrated
from rs_adapt.inference.predictor import Predictor
from rs_adapt.judging.compare import compare_predictions
from rs_adapt.judging.indicators import compare_indicators, indicator_values
from rs_adapt.judging.reliability import Reliability, ScoredRun, measure_reliability
from rs_adapt.judging.tiles import TargetTiles, source_shares
from rs_adapt.judging.twins import JudgedPair, PairReliability, find_twins, measure_pairs
from rs_adapt.progress import OnProgress
from rs_adapt.runs.collect import collect
from rs_adapt.runs.run import Run

# In `metrics.jsonl`, at the iteration of the reported checkpoint.
_RECORDED = ("entropy", "info_max")


@dataclass(frozen=True, kw_only=True)
class ReliabilityStudy:
    """The reliability of indicators over runs.

    Attributes:
        folders: The folders that were read.
        num_runs: Runs with a score on the target.
        reliabilities: By indicator.
        notes: Runs whose models could not be used, with the reason.
        pairs: Adapted runs and their twins trained on the source alone, judged on the same tiles.
    """

    folders: tuple[Path, ...]
    num_runs: int
    reliabilities: tuple[Reliability, ...]
    notes: tuple[str, ...]
    pairs: tuple[JudgedPair, ...] = ()

    @property
    def pair_reliabilities(self) -> tuple[PairReliability, ...]:
        """How often each indicator favoured the better run of a pair."""
        return measure_pairs(self.pairs)


def study_runs(
    folders: Sequence[Path], *, num_tiles: int | None, device: str, on_progress: OnProgress
) -> ReliabilityStudy:
    """Measure the indicators of all finished runs below some folders, and compare them with their scores.

    Each run predicts the unlabelled tiles of its target; an adapted run and its twin trained on the source alone are
    also judged as `rs-adapt judge` does, on the tiles of the adapted one. Of a run whose pack or data are missing, the
    statistics that training recorded are used.

    Args:
        folders: Run folders, or folders above them.
        num_tiles: Number of tiles, as for the two models that are judged.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: Called with a stage, and with the runs done and in all.

    Raises:
        ConfigError: There is no folder, or no two runs of one bench with different scores below them.
    """
    runs = [run for run in collect(folders).runs if _is_scored(run)]
    # Before any of them predicts: whether two can be compared.
    keys = {(_key(run), run.miou_pct) for run in runs}
    twins = find_twins(runs)
    if len(keys) == len({key for key, _ in keys}) and not twins:
        raise ConfigError(
            f"Below {', '.join(map(str, folders))} there are {len(runs)} finished runs with a score on the target, and "
            "no two of one bench and setting with different scores, nor an adapted one and the same trained on the "
            "source alone. --reliability needs such pairs: name folders with "
            "more runs, or leave it out."
        )
    scored, notes, judged, total = [], [], [], len(runs) + len(twins)
    for done, run in enumerate(runs, start=1):
        try:
            indicators = _measure(run, num_tiles=num_tiles, device=device)
        except RsAdaptError as error:
            indicators = _recorded(run)
            notes.append(f"{run.folder}: only what its training recorded is used, because: {error}")
        scored.append(_scored(run, indicators))
        on_progress("measuring finished runs", done, total)
    for done, (run, twin) in enumerate(twins, start=len(runs) + 1):
        try:
            judged.append(_judge(run, twin, num_tiles=num_tiles, device=device))
        except RsAdaptError as error:
            notes.append(f"{run.folder} and {twin.folder} were not judged, because: {error}")
        on_progress("measuring finished runs", done, total)
    return ReliabilityStudy(
        folders=tuple(folders),
        num_runs=len(runs),
        reliabilities=measure_reliability(scored),
        notes=tuple(notes),
        pairs=tuple(judged),
    )


def _is_scored(run: Run) -> bool:
    # Training on the target's labels is no adaptation.
    return run.result is not None and run.miou_pct is not None and run.result.cell.setting in ("da", "dg")


def _measure(run: Run, *, num_tiles: int | None, device: str) -> dict[str, float]:
    cfg = recompose(run.folder)
    tiles = TargetTiles(cfg, most=num_tiles)
    predictor = _load(run, device)
    pairs = tiles.pairs(predictor, predictor)
    evidence, _ = compare_predictions(pairs, num_classes=len(cfg.bench.classes), num_images=len(pairs), pictures=0)
    return indicator_values(evidence.run, source_shares(cfg))


def _judge(run: Run, twin: Run, *, num_tiles: int | None, device: str) -> JudgedPair:
    cfg = recompose(run.folder)
    tiles = TargetTiles(cfg, against=recompose(twin.folder), most=num_tiles)
    predictors = (_load(run, device), _load(twin, device))
    pairs = tiles.pairs(*predictors)
    evidence, _ = compare_predictions(pairs, num_classes=len(cfg.bench.classes), num_images=len(pairs), pictures=0)
    assert run.miou_pct is not None
    assert twin.miou_pct is not None
    return JudgedPair(
        adapted=run.name,
        helped=run.miou_pct > twin.miou_pct,
        indicators=compare_indicators(evidence.run, evidence.against, source_shares(cfg)),
    )


def _load(run: Run, device: str) -> Predictor:
    return load_calibrated(recompose(run.folder), run.folder, device=device)


def _recorded(run: Run) -> dict[str, float]:
    reported = None if run.result is None else run.result.iter
    statistics = next((line.label_free for line in run.evaluations if line.iter == reported), None) or {}
    return {name: value for name in _RECORDED if (value := statistics.get(name)) is not None}


def _key(run: Run) -> tuple[str, ...]:
    """Return what two runs must share to be compared; in a different setting the tiles of the indicators differ."""
    assert run.result is not None
    cell, protocol = run.result.cell, run.result.protocol
    return (cell.bench, cell.setting, protocol.report_split or "", ",".join(protocol.classes_scored))


def _scored(run: Run, indicators: dict[str, float]) -> ScoredRun:
    assert run.result is not None
    assert run.miou_pct is not None
    adapted = run.result.cell.strategy != "source_only"
    return ScoredRun(bench=_key(run), adapted=adapted, miou_pct=run.miou_pct, indicators=indicators)
