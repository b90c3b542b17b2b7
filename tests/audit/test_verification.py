"""A run against a log, another run and the paper: the first difference, the schedule, the curves and the verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.audit.keys import Weight
from rs_adapt.audit.mmengine_log import read_log
from rs_adapt.audit.published import published_runs
from rs_adapt.audit.run_record import read_reference, read_run
from rs_adapt.audit.verification import Verification, verify_against_log, verify_against_paper
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


def of_log(run: Path, log: Path) -> Verification:
    return verify_against_log(read_run(run), read_log(log))


def test_equal_run_and_log_are_consistent(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log())
    assert found.consistent
    assert found.verdict.startswith(
        "consistent: equal to the log's 54.00 (last); first difference: env_cfg.cudnn_benchmark"
    )
    check = found.configuration
    assert check is not None
    assert len(check.equal) >= 35
    assert [one.weight for one in check.differences] == [Weight.NO_EFFECT]
    assert "model.backbone.init_cfg.checkpoint" in check.not_compared
    assert "cell.method" in check.only_here
    assert not check.only_there
    assert found.schedule is not None
    assert found.schedule.num_equal == 400
    assert found.schedule.first_iteration is None
    assert found.loss is not None
    assert found.loss.median_ratio == pytest.approx(0.8)
    assert found.loss.windows == ("mean of the iterations since the line before", "mean of the last 10 iterations")
    assert len(found.curve.points) == 10


# What a log says, what it is changed to, and the key of ours that has to be named first.
CHANGES = [
    ("num_classes=7", "num_classes=6", "model.decode_head.num_classes"),
    (
        "            dict(reduce_zero_label=True, type='LoadAnnotations'),\n            dict(keep_ratio=True, ratio",
        "            dict(reduce_zero_label=False, type='LoadAnnotations'),\n            dict(keep_ratio=True, ratio",
        "bench.reduce_zero_label",
    ),
    ("mode='slide'", "mode='whole'", "bench.inference.mode"),
    (
        "keep_ratio=True, scale=(512, 512), type='Resize'",
        "scale=(1024, 1024), type='Resize'",
        "bench.inference.resize_px",
    ),
    ("embed_dim=1024", "embed_dim=768", "backbone.embed_dim"),
    ("max_iters=20000", "max_iters=40000", "bench.schedule.iters"),
    ("    batch_size=4", "    batch_size=8", "train_dataloader.batch_size"),
    ("type='AdamW'", "type='SGD'", "optim_wrapper.optimizer.type"),
    ("lr=0.0001", "lr=6e-05", "optim.lr"),
    ("query_embed=dict(decay_mult=0.0)", "decode_head=dict(lr_mult=10.0)", "method.paramwise.lr_mult"),
    ("weight_decay=0.05", "weight_decay=0.01", "optim.weight_decay"),
    ("betas=(0.9, 0.999)", "betas=(0.9, 0.99)", "optim_wrapper.optimizer.betas"),
    ("power=0.9", "power=1.0", "optim.poly_power"),
    ("eta_min=0,", "eta_min=1e-06,", "param_scheduler.eta_min"),
    ("end=20000", "end=40000", "param_scheduler.end"),
    ("type='PolyLR')]", "type='PolyLR'), dict(type='LinearLR', begin=0, end=1500)]", "strategy.lr_warmup_iters"),
    ("dim=64", "dim=16", "model.backbone.adapter.rank"),
    ("fft_layer=[0, 1, 2, 3, 4, 5]", "fft_layer=[21, 22, 23]", "model.backbone.adapter.frequency_layers"),
    ("cutoff=0.3", "cutoff=0.2", "model.backbone.adapter.cutoff"),
    ("            dict(cat_max_ratio=0.75", "            dict(cat_max_ratio=1.0", "bench.pipeline.cat_max_ratio"),
    (
        "ratio_range=(0.5, 2.0), scale=(512, 512), type='RandomResize'),\n            dict(cat",
        "ratio_range=(0.8, 1.2), scale=(512, 512), type='RandomResize'),\n            dict(cat",
        "bench.pipeline.resize_ratio",
    ),
    (
        "dict(type='PhotoMetricDistortion'),\n            dict(type='PackSegInputs'),\n        ]),\n    num",
        "dict(type='PackSegInputs'),\n        ]),\n    num",
        "bench.pipeline.photometric",
    ),
    ("num_queries=100", "num_queries=150", "model.decode_head.num_queries"),
    ("val_interval=2000", "val_interval=4000", "bench.schedule.eval_every"),
    ("type='OptimWrapper'", "type='AmpOptimWrapper'", "runtime.precision"),
    ("randomness = dict(seed=0)", "randomness = dict(seed=1)", "randomness.seed"),
]


@pytest.mark.parametrize(("old", "new", "key"), CHANGES, ids=[key for _, _, key in CHANGES])
def test_a_log_with_one_changed_key_names_that_key_first(
    write_run: Write, write_log: Write, log_config: str, old: str, new: str, key: str
) -> None:
    # The last place is that of the loaders; variables above them are copies.
    before, _, after = log_config.rpartition(old)
    assert after
    found = of_log(write_run(), write_log(config=before + new + after))
    assert found.configuration is not None
    assert found.configuration.first is not None
    assert found.configuration.first.key == key
    assert f"first difference: {key} is " in found.verdict
    without_bearing = {"bench.inference.mode": Weight.NO_EFFECT, "randomness.seed": Weight.REPLICATE}
    assert found.configuration.first.weight is without_bearing.get(key, Weight.MATTERS)
    assert found.consistent == (key in without_bearing)


def test_of_two_changed_keys_the_one_with_more_consequence_is_first(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log(("lr=0.0001", "lr=6e-05"), ("num_classes=7", "num_classes=6")))
    assert found.configuration is not None
    assert [one.key for one in found.configuration.differences][:2] == ["model.decode_head.num_classes", "optim.lr"]


def test_inference_matters_where_tiles_are_larger_than_the_window(write_run: Write, write_log: Write) -> None:
    large = ["bench.tile_px=1024"]
    log = write_log(("mode='slide'", "mode='whole'"), ("(512, 512), type='Resize'", "(1024, 1024), type='Resize'"))
    found = of_log(write_run(overrides=large), log)
    assert found.configuration is not None
    first = found.configuration.first
    assert first is not None
    assert (first.key, first.here, first.there, first.weight) == (
        *("bench.inference.mode", "slide", "whole"),
        Weight.MATTERS,
    )
    assert not found.consistent


def test_keys_that_one_side_lacks_are_no_differences(write_run: Write, write_log: Write) -> None:
    log = write_log(
        (
            "    optimizer=dict(betas=(0.9, 0.999), eps=1e-08,",
            "    clip_grad=dict(max_norm=0.01),\n    optimizer=dict(",
        ),
    )
    found = of_log(write_run(), log)
    check = found.configuration
    assert check is not None
    assert "optim_wrapper.clip_grad" in check.only_there
    assert "optim_wrapper.optimizer.betas" in check.only_here
    assert found.consistent


def test_log_without_configuration_is_compared_by_its_curves(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(), write_log(config=None))
    assert found.configuration is None
    assert found.consistent
    assert "no configuration to compare" in found.verdict
    assert "holds no configuration" in found.remarks[0]


def test_schedule_that_differs_is_named_with_its_first_iteration(write_run: Write, write_log: Write) -> None:
    def faster(iteration: int) -> float:
        return 1e-4 * float(1 - (iteration - 1) / 19999) ** (0.9 if iteration <= 10000 else 1.0)

    found = of_log(write_run(rates=faster), write_log())
    assert found.schedule is not None
    assert found.schedule.first_iteration == 10050
    assert found.verdict.endswith("the learning rate differs from iteration 10050 on.")
    assert not found.consistent


def test_rounding_of_the_print_is_no_difference(write_run: Write, write_log: Write) -> None:
    def nearly(iteration: int) -> float:
        return 1e-4 * float(1 - (iteration - 1) / 19999) ** 0.9 * (1 + 1e-9)

    found = of_log(write_run(rates=nearly), write_log())
    assert found.schedule is not None
    assert found.schedule.first_iteration is None
    assert 0 < found.schedule.max_relative < 1e-4


def test_last_is_compared_with_last_and_best_with_best(
    write_run: Write, write_log: Write, log_scores: dict[int, float]
) -> None:
    # The run's best equals the log's last: compared silently, that would be no difference.
    here = {it: score - 6 for it, score in log_scores.items()} | {6000: 54.0}
    there = log_scores | {4000: 60.0}
    found = of_log(write_run(scores=here), write_log(scores=there))
    last, best = found.scores
    assert (last.selection, last.here_pct, last.there_pct, last.here_iteration) == ("last", 48.0, 54.0, 20000)
    assert (best.selection, best.here_pct, best.there_pct) == ("oracle", 54.0, 60.0)
    assert (best.here_iteration, best.there_iteration) == (6000, 4000)
    assert found.verdict.startswith("differs: 6.0 points below the log's 54.00 (last), outside [53.60, 54.00]")
    assert not found.consistent


def test_interval_of_the_run_is_the_spread_where_one_seed_is_known(
    write_run: Write, write_log: Write, log_scores: dict[int, float]
) -> None:
    here = {it: score - 1 for it, score in log_scores.items()}
    found = of_log(write_run(scores=here, interval=(51.5, 54.25)), write_log())
    last = found.scores[0]
    # 53.0 - 1.5 to 53.0 + 1.25 around 54.0, turned round: what the log's score allows the run's to be.
    assert (last.spread.low, last.spread.high) == pytest.approx((52.75, 55.5))
    assert "one seed, so the spread is unknown" in last.spread.basis
    assert "[51.50, 54.25]" in last.spread.basis
    assert last.within
    assert not last.spread.of_seeds
    assert not of_log(write_run(name="far", scores=here, interval=(52.8, 53.2)), write_log()).consistent


def test_selections_of_a_result_are_read_where_it_has_them(write_run: Write, write_log: Write) -> None:
    run = write_run()
    result: dict[str, Any] = json.loads((run / "result.json").read_text())
    result["selections"] = {"last": {"miou_pct": 53.9, "iter": 20000}, "oracle": {"miou_pct": 54.1, "iter": 18000}}
    (run / "result.json").write_text(json.dumps(result))
    last, best = of_log(run, write_log()).scores
    assert (last.here_pct, best.here_pct, best.here_iteration) == (53.9, 54.1, 18000)


def test_unfinished_run_says_so(write_run: Write, write_log: Write) -> None:
    found = of_log(write_run(finished=False), write_log())
    assert "not finished" in found.remarks[0]
    assert found.scores[0].here_pct == 54.0


def test_two_runs_of_ours_are_compared_in_all_keys(write_run: Write) -> None:
    run = write_run("loveda-da")
    same = verify_against_log(read_run(run), read_reference(write_run("loveda-da", name="same", seed=1)))
    assert same.consistent
    assert same.configuration is not None
    assert [one.key for one in same.configuration.differences] == ["randomness.seed"]
    assert not same.configuration.not_compared
    other = write_run("loveda-da", name="other", overrides=["strategy.jitter=0.3", "bench.tile_px=640"])
    found = verify_against_log(read_run(run), read_reference(other)).configuration
    assert found is not None
    assert [one.key for one in found.differences if one.weight is Weight.MATTERS] == [
        "bench.inference.resize_px",
        "bench.tile_px",
        "model.jitter",
    ]


@pytest.mark.parametrize("published", published_runs(), ids=lambda one: one.name)
def test_run_with_the_published_curves_is_consistent_with_the_paper(write_run: Write, published: Any) -> None:
    scores = {one.iteration: one.miou_pct for one in published.record.evaluations}
    run = write_run(published.bench.replace("_", "-") + f"-{published.setting}", scores=scores)
    found = verify_against_paper(read_run(run))
    assert found.consistent
    last, best = found.scores
    assert (last.points, best.points) == (0, 0)
    assert (last.selection, best.selection) == ("last", "oracle")
    assert found.verdict.startswith(f"consistent: equal to the published {last.there_pct:.2f} (last); ")
    assert found.schedule is not None
    assert found.schedule.num_equal == 400
    assert found.schedule.first_iteration is None
    assert {row.table for row in found.also_published} >= {f"earth_adapter_{published.setting}"}


def test_paper_of_a_run_far_below_it(write_run: Write) -> None:
    run = write_run("loveda-da", scores=dict.fromkeys(range(2000, 20001, 2000), 52.5), overrides=["optim.lr=6e-5"])
    found = verify_against_paper(read_run(run))
    assert found.verdict == (
        "differs: 3.1 points below the published 55.60 (last), outside [55.60, 55.90]; first difference: "
        "optim.lr is 6e-05 here and 0.0001 there (other steps of the optimizer)."
    )
    assert not found.consistent


def test_table_without_log_is_compared_by_its_own_selection(write_run: Write) -> None:
    scores = dict.fromkeys(range(2000, 20001, 2000), 50.0) | {4000: 55.5}
    found = verify_against_paper(read_run(write_run("loveda-dg", method="rein", scores=scores)))
    (score,) = found.scores
    # The table shows the best on target labels; the run's last, 50.0, is not what stands beside it.
    assert (score.selection, score.here_pct, score.there_pct) == ("oracle", 55.5, 55.8)
    assert (
        "4.51 points to both sides, the range of the 3 published seeds of uda_for_rs on isprs_v2p" in score.spread.basis
    )
    assert "(best on target labels)" in found.verdict
    assert found.schedule is None
    assert found.consistent


def test_selection_that_is_not_stated_is_said(write_run: Write) -> None:
    scores = {3000: 70.0, 30000: 60.0}
    run = write_run("isprs-irrg-dg", method="rein", scores=scores, rates=lambda iteration: 1e-4)
    found = verify_against_paper(read_run(run))
    (score,) = found.scores
    assert (score.selection, score.here_pct, score.there_pct) == ("unknown", 60.0, 60.3)
    assert "(checkpoint not stated)" in found.verdict


def test_another_head_than_the_published_one_is_a_difference(write_run: Write) -> None:
    found = verify_against_paper(read_run(write_run("loveda-dg", head="linear")))
    assert found.configuration is not None
    assert found.configuration.first is not None
    assert found.configuration.first.key == "cell.head"
    assert not found.consistent


def test_contradictions_of_the_print_are_told(write_run: Write) -> None:
    found = verify_against_paper(read_run(write_run("loveda-u2r-da", method="rein")))
    assert any("26.0 here and 29.2 in the table of IoU by class" in remark for remark in found.remarks)
    assert [row.miou_pct for row in found.also_published] == [29.2]


def test_folder_without_run_and_damaged_run_are_errors(write_run: Write, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ConfigError, match="holds no run of rs-adapt"):
        read_run(tmp_path / "nothing")
    run = write_run()
    (run / "metrics.jsonl").write_text('{"iter": 50, "lo')
    with pytest.raises(ConfigError, match="is damaged"):
        read_run(run)


def test_nothing_in_common_is_an_error(write_run: Write, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"iter": 7, "loss": 1.0, "lr": 1e-4}\n')
    with pytest.raises(ConfigError, match="nothing in common"):
        of_log(write_run(), other)
