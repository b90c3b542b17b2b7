"""`--from` a run that has learnt what the setting of the new one leaves out of its target."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.earlier_labels import refuse_learnt_labels, refuse_seen_images
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

LORA = {"method": "lora", "backbone": "dinov2-nano", "head": "linear"}


@pytest.mark.parametrize(
    ("earlier", "direction", "new", "is_refused"),
    [
        # Labels of the target, as the target of an earlier run and as its source.
        ("ss", "r2u", "da", True),
        ("ss", "r2u", "dg", True),
        ("dg", "u2r", "da", True),
        ("da", "u2r", "dg", True),
        # Those of the source, or labels that the new run reads itself.
        ("ss", "u2r", "da", False),
        ("dg", "r2u", "da", False),
        ("da", "r2u", "dg", False),
        ("ss", "r2u", "ss", False),
        ("dg", "u2r", "ss", False),
    ],
)
def test_labels_of_the_target_are_refused(earlier: str, direction: str, new: str, is_refused: bool) -> None:
    bench = compose(resolve_cell(f"loveda-{earlier}", direction=direction, **LORA)).bench
    cfg = compose(resolve_cell(f"loveda-{new}", direction="r2u", **LORA))
    facts = {"setting": earlier, "bench_name": bench.name, "bench": bench, "cfg": cfg}
    if is_refused:
        with pytest.raises(ConfigError, match="--from X: .* has learnt the labels of urban, which is the target"):
            refuse_learnt_labels("--from X", **facts)
    else:
        refuse_learnt_labels("--from X", **facts)


@pytest.mark.parametrize(
    ("earlier", "direction", "new", "is_refused"),
    [("da", "r2u", "dg", True), ("da", "r2u", "da", False), ("dg", "r2u", "dg", False), ("da", "u2r", "dg", False)],
)
def test_images_of_the_target_are_refused_in_dg(earlier: str, direction: str, new: str, is_refused: bool) -> None:
    bench = compose(resolve_cell(f"loveda-{earlier}", direction=direction, **LORA)).bench
    cfg = compose(resolve_cell(f"loveda-{new}", direction="r2u", **LORA))
    facts = {"setting": earlier, "bench_name": bench.name, "bench": bench, "cfg": cfg}
    if is_refused:
        with pytest.raises(ConfigError, match="has learnt from images of urban, the target of the new one"):
            refuse_seen_images("--from X", **facts)
    else:
        refuse_seen_images("--from X", **facts)


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
