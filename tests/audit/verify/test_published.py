"""Published numbers: loaded as printed, consistent where they are, and flagged where they contradict themselves."""

from __future__ import annotations

import tomllib

import pytest
import torch
from mmengine.optim import PolyLR

from rs_adapt.audit.verify.configuration import compare_configurations
from rs_adapt.audit.verify.curves import compare_schedules
from rs_adapt.audit.verify.keys import KEYS, Weight
from rs_adapt.audit.verify.mmengine_log import config_facts
from rs_adapt.audit.verify.published import (
    PublishedRun,
    find_rows,
    published_dir,
    published_rows,
    published_runs,
    published_tables,
    seed_spread,
)
from rs_adapt.audit.verify.published_contradictions import contradictions
from rs_adapt.audit.verify.record import Record, TrainLine
from rs_adapt.config import axes, compose, resolve_cell, to_python
from rs_adapt.config.bench_names import settings_of
from rs_adapt.config.literals import parse_literals
from rs_adapt.errors import ConfigError

RUNS = published_runs()
# The authors' logs, read by hand: best mIoU, its iteration, and the mIoU of the last iteration.
BEST_AND_LAST = {
    "da_p2v": (67.65, 14000, 66.46),
    "da_v2p": (62.21, 6000, 55.81),
    "da_r2u": (55.90, 18000, 55.60),
    "da_u2r": (50.03, 14000, 47.82),
    "dg_p2v": (64.93, 6000, 59.73),
    "dg_v2p": (55.06, 4000, 52.48),
    "dg_r2u": (59.02, 12000, 57.69),
    "dg_u2r": (45.66, 12000, 45.19),
}
IOU_AT_BEST = {
    "da_p2v": (80.3, 89.5, 66.3, 74.4, 61.9, 33.6),
    "da_u2r": (56.3, 63.4, 48.7, 66.6, 13.7, 38.4, 63.2),
    "dg_v2p": (69.1, 84.1, 58.4, 42.6, 74.3, 1.8),
    "dg_r2u": (44.0, 65.8, 56.1, 76.6, 51.8, 56.5, 62.4),
}


def of_our_cell(run: PublishedRun, protocol: str | None = None) -> Record:
    cfg = compose(resolve_cell(run.bench, setting=run.setting, protocol=protocol))
    facts, others, ours = config_facts(parse_literals(to_python(cfg), file="the cell", remedy=""))
    return Record(name="ours", facts=facts, others=others, ours=ours)


def test_eight_runs_have_whole_curves() -> None:
    assert {run.name for run in RUNS} == set(BEST_AND_LAST)
    for run in RUNS:
        assert [line.iteration for line in run.record.train] == list(range(50, 20001, 50))
        assert [one.iteration for one in run.record.evaluations] == list(range(2000, 20001, 2000))
        for one in run.record.evaluations:
            mean = sum(one.iou_pct.values()) / len(one.iou_pct)
            assert one.miou_pct == pytest.approx(mean, abs=0.011)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_last_and_best_of_a_log_are_rows_of_their_own(run: PublishedRun) -> None:
    last, best = run.rows()
    assert (best.miou_pct, best.iteration, last.miou_pct) == BEST_AND_LAST[run.name]
    assert (last.selection, best.selection, last.iteration) == ("last", "oracle", 20000)
    if run.name in IOU_AT_BEST:
        assert best.iou_pct is not None
        assert tuple(best.iou_pct.values()) == pytest.approx(IOU_AT_BEST[run.name], abs=0.051)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_our_cells_have_the_published_configuration(run: PublishedRun) -> None:
    check = compare_configurations(of_our_cell(run), run.record)
    assert check is not None
    assert not check.matters
    assert len(check.equal) >= 30
    assert not check.only_there
    known = (
        {"train_dataloader.dataset.unlabelled.cat_max_ratio", "bench.inference.mode"} if run.setting == "da" else set()
    )
    assert {one.key for one in check.differences} <= known
    assert not [one for one in check.differences if one.weight is Weight.MATTERS]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_with_the_papers_protocol_no_difference_has_an_effect(run: PublishedRun) -> None:
    check = compare_configurations(of_our_cell(run, "paper"), run.record)
    assert check is not None
    assert {one.weight for one in check.differences} <= {Weight.NO_EFFECT}


@pytest.fixture(scope="module")
def our_rates() -> dict[str, list[float]]:
    """Learning rates of mmengine's own scheduler, built from each composed cell; cells of one schedule share them."""
    by_schedule: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for run in RUNS:
        cfg = compose(resolve_cell(run.bench, setting=run.setting))
        key = f"{cfg.param_scheduler} {cfg.optim_wrapper.optimizer.lr} {cfg.train_cfg.max_iters}"
        if key not in by_schedule:
            (facts,) = [dict(one) for one in cfg.param_scheduler]
            assert facts.pop("type") == "PolyLR"
            optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=cfg.optim_wrapper.optimizer.lr)
            scheduler = PolyLR(optimizer, **facts)
            by_schedule[key] = []
            for _ in range(cfg.train_cfg.max_iters):
                by_schedule[key].append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                scheduler.step()
        rates[run.name] = by_schedule[key]
    return rates


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_our_schedule_is_the_published_one(run: PublishedRun, our_rates: dict[str, list[float]]) -> None:
    rates = our_rates[run.name]
    lines = tuple(TrainLine(iteration=one + 1, lr=rate, loss=None) for one, rate in enumerate(rates))
    check = compare_schedules(Record(name="ours", train=lines), run.record)
    assert check is not None
    assert check.num_equal == 400
    assert check.first_iteration is None
    assert check.max_relative < 5e-5


def test_a_schedule_of_a_different_power_differs_from_its_first_iteration() -> None:
    lines = tuple(TrainLine(iteration=it, lr=1e-4 * (1 - (it - 1) / 19999), loss=None) for it in range(50, 20001, 50))
    check = compare_schedules(Record(name="ours", train=lines), RUNS[0].record)
    assert check is not None
    assert check.first_iteration == 50
    assert check.max_relative > 0.2


def test_rows_name_benches_and_settings_that_exist() -> None:
    assert len(published_rows()) > 150
    for row in published_rows():
        for bench in (row.bench, *row.mean_of) if row.mean_of else (row.bench,):
            if row.domain:
                assert bench.isidentifier(), row
                assert bench not in axes.values("bench"), row
            elif bench:
                assert bench in axes.values("bench"), row
                assert row.setting in settings_of(bench), row
        assert bool(row.bench) != bool(row.mean_of)
        assert row.selection in ("last", "oracle", "unknown"), row
        assert 0 < row.miou_pct < 100, row
        assert row.source
        assert row.protocol


def test_contradictions_are_flagged_and_nothing_else_is() -> None:
    flagged = {
        f"{table.id}/{row.method}{row.variant}" for table in published_tables() for row in table.rows if row.issue
    }
    assert set(contradictions()) == flagged
    assert len(flagged) == 17
    # As printed, not as it should be.
    assert [row.mean_pct for t in published_tables() if t.id == "earth_adapter_da" for row in t.rows][3] == 15.7


def test_tables_that_contradict_each_other_are_named_on_both_sides() -> None:
    texts = contradictions()
    assert "54.2 for frozen in gate_rescuenet" in texts["crossearth_radar/crossearth"]
    assert "45.5 for crossearth in crossearth_radar" in texts["gate_rescuenet/frozen"]
    assert texts["gate_da_means/lora"] == "mean of 4 benches: 57.6 here, 15.7 for lora in earth_adapter_da"
    # Two points between papers are no contradiction.
    assert "gate_da/earth_adapter" not in texts
    assert "gate_casid/frozen" not in texts


def test_means_over_benches_are_those_of_their_pairs() -> None:
    means = {(row.method, row.mean_of): row.miou_pct for row in published_rows() if row.table == "gate_casid_means"}
    pairs = {(row.method, row.bench): row.miou_pct for row in published_rows() if row.table == "gate_casid"}
    checked = 0
    for (method, benches), mean in means.items():
        scores = [pairs.get((method, bench)) for bench in benches]
        if None not in scores:
            checked += 1
            assert sum(scores) / 3 == pytest.approx(mean, abs=0.11)
    assert checked == 4
    (ablation,) = [row for row in published_rows() if row.table == "gate_ablation" and not row.variant]
    by_source = [mean for (method, _), mean in means.items() if method == "crossearth_gate"]
    assert sum(by_source) / 4 == pytest.approx(ablation.miou_pct, abs=0.06)
    assert len(ablation.mean_of) == 12


def test_scores_on_other_data_are_compared_with_no_cell() -> None:
    elsewhere = [row for row in published_rows() if row.domain]
    assert {row.domain for row in elsewhere} >= {"street scenes", "radar images"}
    with pytest.raises(ConfigError) as caught:
        find_rows(bench="gtav_to_cityscapes", setting="dg", method="soma", backbone="")
    assert "gtav" not in str(caught.value).partition("Benches with")[2]


def test_means_over_seeds_are_the_printed_ones() -> None:
    rows = [row for row in published_rows() if row.seeds_pct]
    assert [(row.bench, row.num_seeds) for row in rows] == [("isprs_p2v", 3), ("isprs_v2p", 3)]
    for row in rows:
        assert sum(row.seeds_pct) / 3 == pytest.approx(row.miou_pct, abs=0.006)
    assert seed_spread("isprs_p2v")[0] == pytest.approx(0.86)
    assert seed_spread("loveda_r2u")[0] == pytest.approx(4.51)


def test_gains_become_rows_of_the_reference_method() -> None:
    (rein,) = find_rows(bench="whu_a2s", setting="dg", method="rein", backbone="dinov2_l")
    assert rein.miou_pct == 30.8
    assert "13.5" in rein.note
    # The figure and the table of the same authors agree on what both hold.
    (table,) = (row for row in published_rows() if row.bench == "isprs_irrg_p2v" and row.method == "crossearth")
    assert table.miou_pct == 67.5


def test_logs_come_before_tables_and_variants_stay_out() -> None:
    rows = find_rows(bench="isprs_p2v", setting="dg", method="earth_adapter", backbone="dinov2_l")
    assert [(row.table, row.selection, row.miou_pct) for row in rows] == [
        ("dg_p2v", "last", 59.73),
        ("dg_p2v", "oracle", 64.93),
        ("earth_adapter_dg", "oracle", 64.9),
    ]


def test_an_unpublished_cell_is_refused_with_the_published_ones() -> None:
    with pytest.raises(ConfigError, match="loveda-r2u-da with the method norm on dinov2_l.*da rein on dinov2_l"):
        find_rows(bench="loveda_r2u", setting="da", method="norm", backbone="dinov2_l")
    with pytest.raises(ConfigError, match="or for anything else on this bench. Benches with scores: casid_sub2tem, "):
        find_rows(bench="synthetic", setting="da", method="norm", backbone="dinov2_l")


def test_keys_of_published_configurations_are_compared() -> None:
    names = {key.name for key in KEYS}
    facts = tomllib.loads((published_dir() / "earth_adapter_runs.toml").read_text(encoding="utf-8"))
    stated = {*facts["config"], *facts["config_da"], *facts["config_dg"]}
    stated |= {name for run in facts["runs"] for name in run["config"]}
    assert stated <= names
    assert len(names) == len(KEYS)
