"""Files of other programs, in the layouts that they use: clean ones give no alarm, and logs are read as files are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rs_adapt.audit.lint.foreign_check import FOREIGN_RULES
from rs_adapt.errors import ConfigError
from tests.audit.foreign_layouts import LAYOUTS, PAIRS, line_of, lint, only, serious

Write = Callable[..., Path]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_clean_files_of_every_layout_give_no_alarm(write: Write, layout: str) -> None:
    path = write(LAYOUTS[layout])
    assert serious(path) == []
    assert [one.rule for one in lint(path) if one.rule == "read-without-a-cell"] == ["read-without-a-cell"]


@pytest.mark.parametrize(
    ("layout", "taken"),
    [
        ("mmseg", "taken for training and score in one region; labels: data/potsdam/img_dir/train; val: "),
        ("pairs", "taken for adaptation; labels: data/loveda_uda/rural/train/img_dir; target without labels: "),
        ("before mmengine", "taken for adaptation; labels: data/gta/images; target without labels: data/cityscapes/"),
        ("generalization", "taken for generalization; labels: data/gta/images; val: data/cityscapes/leftImg8bit/val "),
    ],
)
def test_how_a_file_was_understood_is_said(write: Write, layout: str, taken: str) -> None:
    (found,) = [one for one in lint(write(LAYOUTS[layout])) if one.rule == "read-without-a-cell"]
    assert found.found.startswith(taken)


def test_a_log_of_a_training_is_linted_by_its_lines(tmp_path: Path, write: Write) -> None:
    stamp = "2025/01/01 12:00:00 - mmengine - INFO - "
    text = PAIRS.partition("\n")[2].replace("/urban/test/", "/urban/val/")
    folder = tmp_path / "20250101_120000"
    folder.mkdir()
    log = folder / "20250101_120000.log"
    log.write_text(
        f"{stamp}\n-----\nSystem environment:\n    sys.platform: linux\n{stamp}Config:\n{text}"
        f"default_hooks = dict(checkpoint=dict(save_best='mIoU'))\n\n{stamp}Iter(train) [ 50/100]  lr: 1e-4\n"
    )
    for path in (log, tmp_path / "20250101_120000"):
        assert serious(path) == ["error val-is-test", "error selection-on-target-labels"]
        assert "save_best" in line_of(only(path, "selection-on-target-labels"))


@pytest.mark.parametrize(
    "text",
    ["a = 1\n", "model = dict(type='X')\n", "train_dataloader = dict(batch_size=2)\n", "data = dict(workers=1)\n"],
)
def test_a_file_without_data_sets_is_one_sentence(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.py states no data set: there is none in train_dataloader"):
        lint(write(text))


def test_rules_have_names_and_texts() -> None:
    assert len({rule.id for rule in FOREIGN_RULES}) == len(FOREIGN_RULES)
    assert all(rule.text.endswith(".") for rule in FOREIGN_RULES)
