"""`--from` a run that has learnt what the setting of the new one leaves out of its target."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.earlier_labels import earlier_cells, refuse_seen_by, refuse_seen_target
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import ConfigError
from rs_adapt.runs.records import CellNames, RunStart, read_record

if TYPE_CHECKING:
    from pathlib import Path

LORA = {"method": "lora", "backbone": "dinov2-nano", "head": "linear"}


LABELS = "--from X: .* has learnt the labels of urban, which is the target"
IMAGES = "has learnt from images of urban, the target of the new one"


@pytest.mark.parametrize(
    ("earlier", "direction", "new", "refusal"),
    [
        # Labels of the target, as the target of an earlier run and as its source.
        ("ss", "r2u", "da", LABELS),
        ("ss", "r2u", "dg", LABELS),
        ("dg", "u2r", "da", LABELS),
        ("da", "u2r", "dg", LABELS),
        ("da", "r2u", "dg", IMAGES),
        # Labels of the source, images where the setting has them, or labels that the new run reads itself.
        ("ss", "u2r", "da", None),
        ("dg", "r2u", "da", None),
        ("da", "r2u", "da", None),
        ("dg", "r2u", "dg", None),
        ("ss", "r2u", "ss", None),
        ("dg", "u2r", "ss", None),
    ],
)
def test_what_the_setting_leaves_out_of_the_target_is_refused(
    earlier: str, direction: str, new: str, refusal: str | None
) -> None:
    bench = compose(resolve_cell(f"loveda-{earlier}", direction=direction, **LORA)).bench
    cfg = compose(resolve_cell(f"loveda-{new}", direction="r2u", **LORA))
    with pytest.raises(ConfigError, match=refusal) if refusal else nullcontext():
        refuse_seen_target("--from X", setting=earlier, bench_name=bench.name, bench=bench, cfg=cfg)


def test_a_run_on_the_targets_labels_starts_no_adaptation(tiny_cell, trained_once, tmp_path: Path) -> None:
    supervised = tiny_cell("ss", method="lora", run="supervised", iters=1)
    run = trained_once("supervised", lambda: train(supervised, device="cpu"))
    cfg = tiny_cell(method="lora", strategy="source-free")
    with pytest.raises(ConfigError, match="has learnt the labels of urban"):
        check_training(cfg, device="cpu", start_from=run)
    # A pack without the run's files says its cell alone.
    pack = tmp_path / "pack"
    shutil.copytree(run, pack)
    (pack / "config.py").unlink()
    with pytest.raises(ConfigError, match="has learnt the labels of urban"):
        check_training(cfg, device="cpu", start_from=pack)
    assert not (tmp_path / "run").exists()


def names(bench: str, setting: str) -> CellNames:
    axes = {"method": "lora", "backbone": "dinov2_nano", "head": "linear", "strategy": "source_only"}
    return CellNames(bench=bench, setting=setting, seed=0, **axes)


@pytest.mark.parametrize(
    ("bench", "setting", "refusal"),
    [
        ("loveda_r2u", "ss", LABELS),
        ("loveda_u2r", "dg", LABELS),
        ("loveda_u2r", "ss", None),
        ("loveda_r2u", "dg", None),
        # Nothing is known of it but its name, which is not that of the new one.
        ("gone.toml", "ss", None),
    ],
)
def test_runs_are_known_by_the_names_of_their_benches(bench: str, setting: str, refusal: str | None) -> None:
    cfg = compose(resolve_cell("loveda-da", direction="r2u", **LORA))
    with pytest.raises(ConfigError, match=refusal) if refusal else nullcontext():
        refuse_seen_by([names("loveda_r2u", "dg"), names(bench, setting)], "--from X", cfg=cfg)


def test_a_run_stands_for_all_that_it_goes_back_to(tiny_cell, trained_once, tmp_path: Path) -> None:
    # Urban labels, then rural ones, then adaptation to urban images.
    first = trained_once("supervised", lambda: train(tiny_cell("ss", method="lora", run="supervised", iters=1)))
    second = tiny_cell("ss", direction="u2r", method="lora", run="second", iters=1)
    train(second, device="cpu", start_from=first)
    third = tiny_cell("dg", direction="r2u", method="lora", run="third", iters=1)
    with pytest.raises(ConfigError, match=r"goes back to a different run: .*\(loveda_r2u\) has learnt the labels"):
        check_training(third, device="cpu", start_from=tmp_path / "second")
    start = read_record(tmp_path / "second" / "cell.json", RunStart)
    assert start is not None
    assert start.initialised_from is not None
    assert (start.initialised_from.earlier, start.initialised_from.cell.bench) == ((), "loveda_r2u")
    assert [(cell.bench, cell.setting) for cell in earlier_cells(start)] == [("loveda_r2u", "ss")]
