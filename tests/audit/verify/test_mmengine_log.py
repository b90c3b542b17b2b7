"""Logs of mmengine: text and JSON lines, whole, damaged, resumed and foreign."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.audit.verify.mmengine_log import read_log
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    WriteLog = Callable[..., Path]


def test_text_log_gives_configuration_and_curves(write_log: WriteLog, log_scores: dict[int, float]) -> None:
    record = read_log(write_log())
    assert record.facts is not None
    assert record.facts["optim.lr"] == 1e-4
    assert record.facts["bench.inference.mode"] == "slide"
    assert record.facts["bench.inference.stride_px"] == 341
    assert record.facts["model.backbone.adapter.frequency_layers"] == [0, 1, 2, 3, 4, 5]
    assert record.facts["model.decode_head.mask_weight"] == 5.0
    assert record.facts["train_dataloader.batch_size"] == 4
    assert record.facts["randomness.seed"] == 0
    # The configuration names no classes; the table of an evaluation does.
    assert record.facts["bench.classes"][0] == "background"
    assert len(record.train) == 400
    assert (record.train[0].iteration, record.train[0].lr, record.train[0].loss) == (50, 9.9779e-05, 50.0)
    assert {one.iteration: one.miou_pct for one in record.evaluations} == log_scores
    assert record.evaluations[0].iou_pct["agricultural"] == 50.4
    assert record.last == (54.0, 20000)
    assert record.best == (54.0, 20000)
    assert record.loss_window == "mean of the last 10 iterations"
    # What has no counterpart is kept by name; `train_pipeline` at the top is only a variable.
    assert "model.backbone.init_cfg.checkpoint" in record.others
    assert not [name for name in record.others if name.startswith("train_pipeline")]


def test_window_of_the_log_is_read(write_log: WriteLog) -> None:
    log = write_log(("crop_size = (512, 512)\ntrain", "log_processor = dict(window_size=50)\ntrain"))
    assert read_log(log).loss_window == "mean of the last 50 iterations"


def test_classes_with_nan_are_included(write_log: WriteLog) -> None:
    log = write_log()
    log.write_text(log.read_text().replace("|    barren    | 54.00", "|    barren    |   nan"))
    last = read_log(log).evaluations[-1]
    assert last.iou_pct["barren"] != last.iou_pct["barren"]


def test_console_log_without_years_and_with_more_columns_is_read(
    write_log: WriteLog, log_scores: dict[int, float]
) -> None:
    log = write_log()
    text = (
        log.read_text().replace("2025/01/01 12", "01/01 12").replace("|  IoU  |  Acc  |", "| Fscore |  IoU  |  Acc  |")
    )
    lines = [
        f"{line[:16]} 80.00 |{line[17:]}" if line.startswith("| ") and "Class" not in line else line
        for line in text.splitlines()
    ]
    log.write_text("\n".join(lines))
    record = read_log(log)
    assert record.facts is not None
    assert record.facts["optim.lr"] == 1e-4
    assert {one.iteration: one.iou_pct["barren"] for one in record.evaluations} == pytest.approx(log_scores, abs=0.01)


def test_evaluation_without_saved_checkpoint_has_the_iteration_of_the_schedule(write_log: WriteLog) -> None:
    log = write_log()
    lines = [line for line in log.read_text().splitlines() if "Saving" not in line and "00/20000]" not in line]
    log.write_text("\n".join(lines))
    assert [one.iteration for one in read_log(log).evaluations] == list(range(2000, 20001, 2000))


def test_each_iteration_of_a_resumed_log_is_read_once(write_log: WriteLog) -> None:
    log = write_log()
    lines = log.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if "[10050/20000]" in line)
    end = next(n for n, line in enumerate(lines) if "[12050/20000]" in line)
    log.write_text("\n".join([*lines[:end], *lines[start:]]))
    record = read_log(log)
    assert [line.iteration for line in record.train] == list(range(50, 20001, 50))
    assert [one.iteration for one in record.evaluations] == list(range(2000, 20001, 2000))


@pytest.fixture
def json_lines(tmp_path: Path) -> Path:
    folder = tmp_path / "20250101_120000" / "vis_data"
    folder.mkdir(parents=True)
    lines: list[dict[str, Any]] = []
    for iteration in (50, 100):
        lines.append(
            {
                "base_lr": 1e-4,
                "lr": 9.97e-05,
                "data_time": 0.1,
                "loss": 41.5,
                "time": 0.5,
                "iter": iteration,
                "step": iteration,
            }
        )
    lines.append({"aAcc": 73.7, "mIoU": 53.11, "mAcc": 76.6, "data_time": 0.0, "time": 0.1, "step": 100})
    (folder / "scalars.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "scalars.json"


def test_json_lines_give_curves(json_lines: Path) -> None:
    record = read_log(json_lines)
    assert [(line.iteration, line.lr, line.loss) for line in record.train] == [
        (50, 9.97e-05, 41.5),
        (100, 9.97e-05, 41.5),
    ]
    assert record.last == (53.11, 100)
    assert record.facts is None
    assert record.lr_digits is None
    assert "only curves are compared" in record.remarks[0]


def test_configuration_next_to_json_lines_is_read(json_lines: Path, log_config: str) -> None:
    (json_lines.parent / "config.py").write_text(log_config)
    record = read_log(json_lines)
    assert record.facts is not None
    assert record.facts["optim.weight_decay"] == 0.05


def test_folder_with_one_log_is_that_log(write_log: WriteLog, json_lines: Path, tmp_path: Path) -> None:
    # JSON lines lie beside; the text log says more.
    log = write_log()
    assert read_log(tmp_path).name == log.name
    log.unlink()
    assert read_log(tmp_path).last == (53.11, 100)


def test_folder_with_two_logs_or_none_is_refused(write_log: WriteLog, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds neither a run of rs-adapt nor a log"):
        read_log(tmp_path / "empty")
    write_log(name="a.log")
    write_log(name="b.log")
    with pytest.raises(ConfigError, match=r"holds 2 logs: a\.log, b\.log\. Name one"):
        read_log(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"\x89PNG\0\0", "it is not text"),
        (b"a diary\nof another program\n", "neither training lines nor evaluations"),
        (
            b"2025/01/01 12:00:00 - mmengine - INFO - Epoch(train)   [1][ 50/500]  lr: 1e-4  loss: 3.0\n",
            "it counts epochs",
        ),
        (b'{"iter": 50, "loss": 3.0, "lr": 1e-4}\n{"iter": 100, "lo', "line 2 is damaged"),
        (b'{"mIoU": 50.0}\n', "line 1 is damaged"),
        (b'{"other": 50.0}\n', "neither training lines nor evaluations"),
    ],
)
def test_damaged_and_foreign_files_are_one_error(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "strange.log"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=why) as caught:
        read_log(path)
    assert caught.value.exit_code == 2


def test_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read .*No such file"):
        read_log(tmp_path / "nowhere.log")


def test_log_cut_off_in_its_configuration_is_one_error(write_log: WriteLog) -> None:
    log = write_log()
    text = log.read_text()
    log.write_text(text[: text.index("optim_wrapper")] + "optim_wrapper = dict(\n")
    with pytest.raises(ConfigError, match=r"\.log, line \d+: this is cut off or not Python"):
        read_log(log)


def test_log_cut_off_during_training_is_read_up_to_there(write_log: WriteLog) -> None:
    log = write_log()
    text = log.read_text()
    log.write_text(text[: text.index("[ 5000/20000]")])
    record = read_log(log)
    assert record.train[-1].iteration == 4950
    assert record.last == (50.8, 4000)


def test_number_that_is_cut_off_is_not_read(write_log: WriteLog) -> None:
    log = write_log()
    text = log.read_text()
    log.write_text(text[: text.rindex("mIoU: 54.0000") + len("mIoU: 5")])
    assert read_log(log).last == (53.6, 18000)
    log.write_text(text.replace("loss: 50.0000  decode.loss_cls", "loss: 5.0.0  decode.loss_cls"))
    assert read_log(log).train[0].loss is None


def test_hostile_configuration_is_refused_and_not_run(write_log: WriteLog, tmp_path: Path) -> None:
    target = tmp_path / "hacked"
    log = write_log(("crop_size = (512, 512)\ntrain", f"crop_size = open({str(target)!r}, 'w')\ntrain"))
    with pytest.raises(ConfigError, match=r"\.log, line \d+: `crop_size = open.* Nothing in the file is executed"):
        read_log(log)
    assert not target.exists()


def test_wrapper_with_two_domains_and_automatic_precision(write_log: WriteLog) -> None:
    wrapped = "model = dict(type='Wrapper', ema_alpha=0.99, mix_lambda=0.5, segmentor=dict(\n    type='EncoderDecoder',"
    log = write_log(
        ("model = dict(\n    type='EncoderDecoder',", wrapped),
        ("stride=(341, 341)))", "stride=(341, 341))))"),
        ("type='OptimWrapper')", "dtype='bfloat16', type='AmpOptimWrapper')"),
        (
            "    dataset=dict(\n        type='LoveDADataset',\n        data_root='rural',",
            "    dataset=dict(type='Pairs', target_dataset=dict(pipeline=["
            "dict(type='RandomCrop', cat_max_ratio=0.75)]), source_dataset=dict(\n        type='LoveDADataset',\n"
            "        data_root='rural',",
        ),
        ("        ]),\n    num_workers=4)", "        ])),\n    num_workers=4)"),
    )
    facts = read_log(log).facts
    assert facts is not None
    assert facts["runtime.precision"] == "bf16"
    assert facts["strategy.ema_decay"] == 0.99
    assert facts["strategy.mix_weight"] == 0.5
    assert facts["model.backbone.adapter.rank"] == 64
    assert facts["bench.pipeline.resize_ratio"] == [0.5, 2.0]
    assert facts["train_dataloader.dataset.unlabelled.cat_max_ratio"] == 0.75


@pytest.mark.parametrize(
    "text", ["a " * 150_000, "a.b/c-d " * 40_000, "| " * 150_000, " " * 300_000, "Iter(train) [" * 25_000]
)
def test_long_lines_of_other_programs_cost_no_time(write_log: WriteLog, text: str) -> None:
    log = write_log()
    whole = log.read_text()
    expected = read_log(log)
    # In the place of a message, and of the values of an iteration.
    stamp = whole.splitlines()[0].partition(" - ")[0]
    lines = [f"{stamp} - mmengine - INFO - {text}", f"{stamp} - mmengine - INFO - Iter(train) [20000/20000]  {text}"]
    log.write_text("\n".join([*whole.splitlines(), lines[0], text, ""]))
    record = read_log(log)
    assert (record.last, len(record.train)) == (expected.last, len(expected.train))
    log.write_text("\n".join([*whole.splitlines(), *lines, ""]))
    read_log(log)
