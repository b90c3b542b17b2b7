"""`--from` a run that has learnt what the setting of the new one leaves out of its target."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.earlier_labels import refuse_seen_target
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import ConfigError

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
    with pytest.raises(ConfigError, match="has learnt the labels of the target of loveda_r2u"):
        check_training(cfg, device="cpu", start_from=pack)
    assert not (tmp_path / "run").exists()
