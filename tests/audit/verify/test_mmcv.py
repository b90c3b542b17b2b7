"""Configurations and logs of mmcv and mmsegmentation 0.x."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rs_adapt.audit.verify.log_check import check_log
from rs_adapt.audit.verify.mmcv import as_mmengine, is_mmcv
from rs_adapt.audit.verify.mmengine_log import read_config, read_log
from rs_adapt.audit.verify.run_record import read_run
from rs_adapt.audit.verify.verification import verify_against_log
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    WriteRun = Callable[..., Path]

ITERS, RATE = 2000, 6e-5
CONFIG = """\
norm_cfg = dict(type='BN', requires_grad=True)
model = dict(
    type='HRDAEncoderDecoder',
    backbone=dict(type='mit_b5', embed_dim=64),
    decode_head=dict(type='DAFormerHead', num_classes=7),
    test_cfg=dict(mode='slide', stride=[341, 341], crop_size=[512, 512]))
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', reduce_zero_label=True),
    dict(type='Resize', img_scale=(1024, 1024), ratio_range=(0.5, 2.0)),
    dict(type='RandomCrop', crop_size=(512, 512), cat_max_ratio=0.75),
    dict(type='RandomFlip', prob=0.5),
    dict(type='Normalize', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=4,
    train=dict(
        type='UDADataset',
        source=dict(type='LoveDADataset', img_dir='rural/train', classes=('a', 'b'), pipeline=train_pipeline),
        target=dict(type='LoveDADataset', img_dir='urban/train', pipeline=train_pipeline)),
    val=dict(type='LoveDADataset', img_dir='urban/val', pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(1024, 1024), flip=False, transforms=[dict(type='Resize')])]),
    test=dict(type='LoveDADataset', img_dir='urban/val'))
uda = dict(type='DACS', alpha=0.999, pseudo_threshold=0.968, imnet_feature_dist_lambda=0.005)
optimizer = dict(
    type='AdamW', lr=6e-05, betas=(0.9, 0.999), weight_decay=0.01,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0), norm=dict(decay_mult=0.0))))
optimizer_config = dict(grad_clip=dict(max_norm=1.0))
lr_config = dict(policy='poly', power=0.9, min_lr=0.0, by_epoch=False)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
runner = dict(type='IterBasedRunner', max_iters=2000)
evaluation = dict(interval=1000, metric='mIoU')
cudnn_benchmark = True
"""
TABLE = """\
per class results:

+-------+-------+-------+
| Class |  IoU  |  Acc  |
+-------+-------+-------+
|   a   | 40.00 | 60.00 |
|   b   | {b:.2f} | 70.00 |
+-------+-------+-------+
"""
SUMMARIES = {
    "means alone": "Summary:\n\n+------+------+------+\n| aAcc | mIoU | mAcc |\n+------+------+------+\n"
    "| 80.0 | 45.0 | 65.0 |\n+------+------+------+\n",
    "with a scope": "Summary:\n\n+--------+------+------+------+\n| Scope  | mIoU | mAcc | aAcc |\n"
    "+--------+------+------+------+\n| global | 45.0 | 65.0 | 80.0 |\n+--------+------+------+------+\n",
}


def rate_at(iteration: int) -> float:
    """The rate of mmcv's polynomial schedule, whose progress is the number of finished iterations over their total."""
    return RATE * (1 - (iteration - 1) / ITERS) ** 0.9


def write(folder: Path, *, summary: str = "", last: float | None = None) -> Path:
    """Write a log as mmcv's text logger does."""
    stamp = "2022-05-10 12:00:00,123 - mmseg - INFO - "
    lines = [f"{stamp}Config:", *CONFIG.splitlines(), "", f"{stamp}Set random seed to 2, deterministic: False"]
    for iteration in range(50, ITERS + 1, 50):
        rate = last if last is not None and iteration == ITERS else rate_at(iteration)
        lines.append(
            f"{stamp}Iter [{iteration}/{ITERS}]\tlr: {rate:.3e}, eta: 1 day, 3:12:00, time: 1.5, data_time: 0.1, "
            f"memory: 9000, decode.loss_seg: 2.3, decode.acc_seg: 20.1, loss: {3 - iteration / ITERS:.4f}"
        )
        if iteration % 1000 == 0:
            other = 50.0 + iteration / 1000
            lines += [f"{stamp}{TABLE.format(b=other)}", f"{stamp}{summary}" if summary else ""]
            mean = (40.0 + other) / 200
            lines.append(f"{stamp}Iter(val) [125]\taAcc: 0.8000, mIoU: {mean:.4f}, mAcc: 0.6500, IoU.a: 0.4000")
    path = folder / "20220510_120000.log"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_configuration_has_the_keys_of_a_resolved_one(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    record = read_config(path)
    assert record.mmcv
    assert record.facts is not None
    expected = {
        "bench.classes": ["a", "b"],
        "bench.crop_px": 512,
        "bench.tile_px": 1024,
        "bench.reduce_zero_label": True,
        "bench.inference.mode": "slide",
        "bench.inference.stride_px": 341,
        "bench.inference.resize_px": 1024,
        "bench.pipeline.resize_ratio": [0.5, 2.0],
        "bench.pipeline.cat_max_ratio": 0.75,
        "bench.schedule.iters": 2000,
        "bench.schedule.eval_every": 1000,
        "env_cfg.cudnn_benchmark": True,
        "method.paramwise.lr_mult": {"head": 10.0},
        "method.paramwise.norm_decay_mult": 0.0,
        "model.data_preprocessor.mean": [123.675, 116.28, 103.53],
        "model.decode_head.num_classes": 7,
        "optim.lr": 6e-5,
        "optim.poly_power": 0.9,
        "optim.weight_decay": 0.01,
        "optim_wrapper.clip_grad": {"max_norm": 1.0},
        "optim_wrapper.optimizer.betas": [0.9, 0.999],
        "param_scheduler.end": 2000,
        "param_scheduler.eta_min": 0.0,
        "runtime.precision": "fp32",
        "strategy.confidence": 0.968,
        "strategy.ema_decay": 0.999,
        "strategy.lr_warmup_iters": 0,
        "train_dataloader.batch_size": 2,
        "train_dataloader.dataset.unlabelled.cat_max_ratio": 0.75,
    }
    assert {key: record.facts.get(key) for key in expected} == expected


def test_precision_accumulation_and_warm_up_are_translated() -> None:
    content = as_mmengine(
        {
            "optimizer": {"type": "SGD", "lr": 0.01},
            "optimizer_config": {"type": "Fp16OptimizerHook", "cumulative_iters": 4, "grad_clip": None},
            "lr_config": {"policy": "step", "step": [3], "warmup": "linear", "warmup_iters": 500},
            "total_iters": 80,
            "test_cfg": {"mode": "whole"},
            "model": {"type": "EncoderDecoder"},
        }
    )
    assert content["optim_wrapper"] == {
        "type": "AmpOptimWrapper",
        "accumulative_counts": 4,
        "optimizer": {"type": "SGD", "lr": 0.01},
    }
    assert content["param_scheduler"] == [
        {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 500},
        {"type": "MultiStepLR", "begin": 0, "end": 80},
    ]
    assert content["train_cfg"] == {"max_iters": 80}
    assert content["model"] == {"type": "EncoderDecoder", "test_cfg": {"mode": "whole"}}


def test_what_has_no_counterpart_is_kept_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(f"{CONFIG}fp16 = dict(loss_scale=512.0)\n")
    others = read_config(path).others
    kept = {"data.workers_per_gpu": 4, "evaluation.metric": "mIoU", "runner.type": "IterBasedRunner"}
    kept |= {"fp16.loss_scale": 512.0, "train_dataloader.dataset.source.img_dir": "rural/train"}
    assert {key: others.get(key) for key in kept} == kept
    assert not {"optimizer.lr", "lr_config.policy", "runner.max_iters", "data.samples_per_gpu"} & others.keys()


def test_several_sets_in_a_list_keep_their_batch_size_and_their_names() -> None:
    sets = [{"type": "A", "img_dir": "a", "classes": ["x"]}, {"type": "B", "img_dir": "b"}]
    content = as_mmengine({"data": {"samples_per_gpu": 2, "train": sets}})
    assert content["train_dataloader"] == {
        "batch_size": 2,
        "dataset": [{"type": "A", "img_dir": "a", "metainfo": {"classes": ["x"]}}, {"type": "B", "img_dir": "b"}],
    }


@pytest.mark.parametrize("key", ["train_dataloader", "optim_wrapper"])
def test_a_configuration_of_mmengine_is_none_of_mmcv(key: str) -> None:
    assert is_mmcv({"data": {}})
    assert not is_mmcv({"data": {}, key: {}})
    assert not is_mmcv({"default_scope": "mmseg"})


@pytest.mark.parametrize("summary", ["", *SUMMARIES.values()], ids=["no summary", *SUMMARIES])
def test_a_text_log_gives_curves_in_percent(tmp_path: Path, summary: str) -> None:
    record = read_log(write(tmp_path, summary=summary))
    assert record.facts is not None
    assert record.facts["randomness.seed"] == 2
    assert [line.iteration for line in record.train] == list(range(50, ITERS + 1, 50))
    assert (record.train[0].lr, record.train[0].loss) == (5.868e-05, 2.975)
    assert (record.lr_digits, record.loss_window) == (3, "mean of the last 50 iterations")
    assert [(one.iteration, one.miou_pct) for one in record.evaluations] == [
        (1000, pytest.approx(45.5)),
        (2000, pytest.approx(46.0)),
    ]
    assert record.evaluations[1].iou_pct == {"a": 40.0, "b": 52.0}
    assert record.mmcv
    assert not [name for name in record.others if "pipeline" in name.partition(".")[0]]


def test_a_log_agrees_with_the_rates_of_its_own_library(tmp_path: Path) -> None:
    """At the end, mmengine's polynomial would be at 0, and rates are printed with three decimals."""
    text = write(tmp_path).read_text()
    several = "custom_keys=dict(head=dict(lr_mult=10.0), norm=dict(decay_mult=0.0))"
    assert several in text
    (tmp_path / "20220510_120000.log").write_text(text.replace(several, "norm_decay_mult=0.0"))
    check = check_log(tmp_path / "20220510_120000.log")
    assert check.consistent
    details = {one.name: one.detail for one in check.checks}
    assert "log" not in details
    assert details["learning rate"] == f"{ITERS // 50} lines from the configuration"
    assert details["length"] == "trained to iteration 2000 of 2000"
    assert details["means"] == "mIoU of 2 evaluations from their classes"

    wrong = write(tmp_path, last=9e-8).read_text().replace(several, "norm_decay_mult=0.0")
    (tmp_path / "20220510_120000.log").write_text(wrong)
    check = check_log(tmp_path / "20220510_120000.log")
    assert not check.consistent
    assert "iteration 2000: 9.0000e-08" in {one.name: one.detail for one in check.checks}["learning rate"]


def test_a_text_log_without_its_configuration_is_known_by_its_lines(tmp_path: Path) -> None:
    path = write(tmp_path)
    text = path.read_text()
    path.write_text(text[text.index("2022-05-10 12:00:00,123 - mmseg - INFO - Iter [50/") :])
    record = read_log(path)
    assert record.facts is None
    assert (record.mmcv, record.lr_digits, record.last) == (True, 3, (pytest.approx(46.0), 2000))


def test_json_lines_count_the_batches_of_an_evaluation(tmp_path: Path) -> None:
    lines = [
        {"env_info": "sys.platform: linux", "seed": 0, "exp_name": "daformer.py"},
        {"mode": "train", "epoch": 1, "iter": 50, "lr": 1e-6, "memory": 9000, "decode.loss_seg": 2.3, "loss": 2.3},
        {"mode": "train", "epoch": 3, "iter": 1000, "lr": 2e-6, "memory": 9000, "loss": 1.5},
        {"mode": "val", "epoch": 3, "iter": 125, "lr": 2e-6, "aAcc": 0.8, "mIoU": 0.4512, "IoU.a": 0.4},
    ]
    path = tmp_path / "20220510_120000.log.json"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    record = read_log(path)
    assert [(line.iteration, line.loss) for line in record.train] == [(50, 2.3), (1000, 1.5)]
    assert [(one.iteration, one.miou_pct) for one in record.evaluations] == [(1000, pytest.approx(45.12))]


def test_json_lines_that_count_epochs_are_refused(tmp_path: Path) -> None:
    lines = [
        {"mode": "train", "epoch": epoch, "iter": iteration, "lr": 1e-6, "loss": 1.0}
        for epoch, iteration in ((1, 50), (1, 100), (2, 50))
    ]
    path = tmp_path / "20220510_120000.log.json"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(ConfigError, match="cannot be read as a training log: it counts epochs"):
        read_log(path)


def test_a_run_that_was_trained_differently_is_not_consistent(write_run: WriteRun, tmp_path: Path) -> None:
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    check = verify_against_log(read_run(write_run()), read_config(path))
    assert not check.consistent
    assert check.configuration is not None
    assert any("reaches its end one iteration later than mmengine's" in text for text in check.remarks)
    different = {one.key for one in check.configuration.differences}
    assert {"optim.lr", "bench.schedule.iters", "train_dataloader.batch_size", "bench.classes"} <= different


@pytest.mark.parametrize(
    "text",
    [
        "log_level = 'INFO'\ncudnn_benchmark = True\n",
        "default_scope = 'mmseg'\nenv_cfg = dict(cudnn_benchmark=True)\n",
        "seed = 0\nworkflow = [('train', 1)]\n",
    ],
)
def test_a_configuration_without_a_training_is_no_agreement(write_run: WriteRun, tmp_path: Path, text: str) -> None:
    path = tmp_path / "default_runtime.py"
    path.write_text(text)
    with pytest.raises(ConfigError, match="nothing in common that can be compared: no key of the configuration that"):
        verify_against_log(read_run(write_run()), read_config(path))
