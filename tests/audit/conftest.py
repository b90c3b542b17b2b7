"""Runs of ours that nobody trained, logs in mmengine's format, and what lint finds, written for the tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import rs_adapt
from rs_adapt.audit.lint.check import lint
from rs_adapt.audit.lint.finding import Finding
from rs_adapt.audit.lint.sources import subject_from_cell, subject_from_path
from rs_adapt.config import compose, resolve_cell, to_python

WriteRun = Callable[..., Path]
WriteLog = Callable[..., Path]

# A DINOv2-L with Earth-Adapter from rural to urban, as a repository on mmsegmentation may write it.
LOG_CONFIG = """\
crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(reduce_zero_label=True, type='LoadAnnotations'),
    dict(keep_ratio=True, ratio_range=(0.5, 2.0), scale=(512, 512), type='RandomResize'),
    dict(cat_max_ratio=0.75, crop_size=(512, 512), type='RandomCrop'),
    dict(prob=0.5, type='RandomFlip'),
    dict(type='PhotoMetricDistortion'),
    dict(type='PackSegInputs'),
]
env_cfg = dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], type='SegDataPreProcessor'),
    backbone=dict(
        type='DinoVisionTransformer',
        embed_dim=1024,
        depth=24,
        patch_size=16,
        adapter_config=dict(type='Adapter', dim=64, fft_layer=[0, 1, 2, 3, 4, 5], cutoff=0.3),
        init_cfg=dict(type='Pretrained', checkpoint='somewhere.pth')),
    decode_head=dict(
        type='Mask2FormerHead',
        num_classes=7,
        num_queries=100,
        feat_channels=256,
        loss_cls=dict(class_weight=[1.0, 0.1], loss_weight=2.0, type='CrossEntropyLoss'),
        loss_mask=dict(loss_weight=5.0, type='CrossEntropyLoss'),
        loss_dice=dict(loss_weight=5.0, type='DiceLoss'),
        train_cfg=dict(num_points=12544)),
    test_cfg=dict(crop_size=(512, 512), mode='slide', stride=(341, 341)))
optim_wrapper = dict(
    optimizer=dict(betas=(0.9, 0.999), eps=1e-08, lr=0.0001, type='AdamW', weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(norm=dict(decay_mult=0.0), query_embed=dict(decay_mult=0.0))),
    type='OptimWrapper')
param_scheduler = [dict(begin=0, by_epoch=False, end=20000, eta_min=0, power=0.9, type='PolyLR')]
randomness = dict(seed=0)
train_cfg = dict(max_iters=20000, type='IterBasedTrainLoop', val_interval=2000)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(
        type='LoveDADataset',
        data_root='rural',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(reduce_zero_label=True, type='LoadAnnotations'),
            dict(keep_ratio=True, ratio_range=(0.5, 2.0), scale=(512, 512), type='RandomResize'),
            dict(cat_max_ratio=0.75, crop_size=(512, 512), type='RandomCrop'),
            dict(prob=0.5, type='RandomFlip'),
            dict(type='PhotoMetricDistortion'),
            dict(type='PackSegInputs'),
        ]),
    num_workers=4)
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        type='LoveDADataset',
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(keep_ratio=True, scale=(512, 512), type='Resize'),
            dict(reduce_zero_label=True, type='LoadAnnotations'),
        ]))
"""
CLASSES = ("background", "building", "road", "water", "barren", "forest", "agricultural")
SCORES = {iteration: 50.0 + iteration / 5000 for iteration in range(2000, 20001, 2000)}


def schedule(iteration: int, iters: int = 20000) -> float:
    """Return the learning rate of an iteration: 1e-4 down to 0 with the power 0.9."""
    return 1e-4 * float(1 - (iteration - 1) / (iters - 1)) ** 0.9


@pytest.fixture
def log_config() -> str:
    """Return the configuration of the logs that `write_log` writes."""
    return LOG_CONFIG


@pytest.fixture
def log_scores() -> dict[int, float]:
    """Return mIoU by iteration of what `write_run` and `write_log` write."""
    return dict(SCORES)


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Return a function that writes a run folder as a training would have left it."""

    def write(
        bench: str = "loveda-dg",
        *,
        name: str = "run",
        scores: dict[int, float] | None = None,
        rates: Callable[[int], float] = schedule,
        last: float | None = None,
        oracle: float | None = None,
        interval: tuple[float, float] | None = None,
        overrides: Iterable[str] = (),
        finished: bool = True,
        **names: Any,
    ) -> Path:
        cfg = compose(resolve_cell(bench, **names), overrides=list(overrides), work_dir=str(tmp_path / name))
        folder, scores = tmp_path / name, SCORES if scores is None else scores
        folder.mkdir()
        (folder / "config.py").write_text(to_python(cfg))
        (folder / "cell.json").write_text(json.dumps({"cell": cfg.cell.to_dict(), "options": {}}))
        lines: list[dict[str, Any]] = []
        for iteration in range(50, cfg.train_cfg.max_iters + 1, 50):
            lines.append({"iter": iteration, "lr": rates(iteration), "loss": 40.0, "iter_s": 0.5})
            if iteration in scores:
                lines.append({"iter": iteration, "miou_pct": scores[iteration], "iou_pct": {"background": None}})
        (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        if finished:
            best = max(scores, key=lambda iteration: scores[iteration])
            result: dict[str, Any] = {
                "cell": cfg.cell.to_dict(),
                "miou_pct": last if last is not None else scores[max(scores)],
                "oracle": {"miou_pct": oracle or scores[best], "iter": best},
            }
            if interval:
                result["interval"] = {"low": interval[0], "high": interval[1]}
            (folder / "result.json").write_text(json.dumps(result))
        return folder

    return write


@pytest.fixture
def write_log(tmp_path: Path) -> WriteLog:
    """Return a function that writes a text log, with changes (old, new) in its configuration."""

    def write(
        *changes: tuple[str, str],
        name: str = "20250101_120000.log",
        config: str | None = LOG_CONFIG,
        scores: dict[int, float] | None = None,
        rates: Callable[[int], float] = schedule,
    ) -> Path:
        for old, new in changes:
            assert config is not None
            assert old in config
            config = config.replace(old, new)
        stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
        rule = "-" * 60
        lines = [stamp, rule, "System environment:", "    sys.platform: linux", "    numpy_random_seed: 0", ""]
        lines += ["Runtime environment:", "    cudnn_benchmark: True", "    seed: 0", rule, ""]
        if config is not None:
            lines += [f"{stamp}Config:", config]
        scores = SCORES if scores is None else scores
        lines.append(f"{stamp}Checkpoints will be saved to somewhere.")
        for iteration in range(50, 20001, 50):
            rate = f"{rates(iteration):.4e}"
            lines.append(
                f"{stamp}Iter(train) [{iteration:5d}/20000]  base_lr: {rate} lr: {rate}  eta: 1 day, 2:46:00  "
                f"time: 0.8600  data_time: 0.0100  memory: 10147  loss: 50.0000  decode.loss_cls: 1.2500  "
                "decode.d0.loss_cls: 3.5000"
            )
            if iteration not in scores:
                continue
            lines.append(f"{stamp}Saving checkpoint at {iteration} iterations")
            lines.append(f"{stamp}Iter(val) [ 50/677]    eta: 0:01:00  time: 0.0850  data_time: 0.0020  memory: 3000")
            edge = "+--------------+-------+-------+"
            lines += [f"{stamp}per class results:", stamp, edge, "|    Class     |  IoU  |  Acc  |", edge]
            lines += [f"| {one:^12} | {scores[iteration]:5.2f} | 70.00 |" for one in CLASSES]
            lines.append(edge)
            lines.append(
                f"{stamp}Iter(val) [677/677]    aAcc: 70.0000  mIoU: {scores[iteration]:.4f}  mAcc: 66.0000  "
                "data_time: 0.0021  time: 0.0852"
            )
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


# First published image id of each part: ids tell domain and split, so no scene is in two of them.
FIRST_ID = {"rural/train": 0, "urban/train": 1366, "rural/val": 2522, "urban/val": 3514}

MakeRun = Callable[..., Path]


class Found(list[Finding]):
    """Findings with short questions."""

    @property
    def serious(self) -> list[tuple[str, str]]:
        """Level and rule of all errors and warnings."""
        return [(one.level, one.rule) for one in self if one.level != "note"]

    def only(self, rule: str) -> Finding:
        """The one finding of a rule."""
        (found,) = (one for one in self if one.rule == rule)
        return found


@pytest.fixture
def lint_cell() -> Callable[..., Found]:
    """Return a function that lints a cell; tiles are looked at where a data root is given."""

    def run(bench: str, *texts: str, data_root: Path | None = None, **axes: Any) -> Found:
        subject = subject_from_cell(resolve_cell(bench, **axes), texts=texts, data_root=data_root)
        return Found(lint(subject, data=data_root is not None))

    return run


@pytest.fixture
def lint_path() -> Callable[..., Found]:
    """Return a function that lints a run or a config; tiles are looked at where a data root is given."""

    def run(path: Path, *, data_root: Path | None = None) -> Found:
        return Found(lint(subject_from_path(path, data_root=data_root), data=data_root is not None))

    return run


@pytest.fixture
def edit() -> Callable[..., int]:
    """Return a function that replaces the one place of a text in a file, and gives its line."""

    def run(file: Path, old: str, new: str) -> int:
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        file.write_text(text.replace(old, new))
        return text[: text.index(old)].count("\n") + 1

    return run


@pytest.fixture
def loveda_tiles(loveda_root: Path) -> Path:
    """Give the random tiles of LoveDA's layout the ids of their parts."""
    for part, first in FIRST_ID.items():
        for kind in ("img_dir", "ann_dir"):
            for path in sorted((loveda_root / "loveda" / part / kind).iterdir(), reverse=True):
                path.rename(path.with_stem(str(first + int(path.stem))))
    return loveda_root


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Return a function that writes the files of a finished run of a LoveDA cell, as `train` does, without training."""

    def make(*texts: str, name: str = "run", bench: str = "loveda-da", **axes: Any) -> Path:
        from rs_adapt.engine.results import protocol_facts

        folder = tmp_path / name
        folder.mkdir()
        cfg = compose(resolve_cell(bench, **axes), overrides=texts, data_root=tmp_path / "data", work_dir=folder)
        options = {"overrides": list(texts), "data_root": cfg.data_root, "weights": None, "device": "cpu"}
        environment = {"rs_adapt": rs_adapt.__version__, "git": {"commit": "0" * 40, "dirty": False}}
        record = {"cell": dict(cfg.cell), "options": options, "environment": environment}
        split = " ".join(cfg.test_dataloader.dataset.name.split("/")[-2:])
        result = record | {
            "protocol": protocol_facts(cfg, report_split=split, selection=cfg.protocol.selection).content()
        }
        (folder / "config.py").write_text(to_python(cfg))
        (folder / "cell.json").write_text(json.dumps(record))
        (folder / "result.json").write_text(json.dumps(result))
        return folder

    return make
