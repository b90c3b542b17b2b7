"""Training from a configuration alone: `cell.json` and the pack describe how it was composed."""

from __future__ import annotations

import gc
import json
from multiprocessing import active_children
from pathlib import Path

from rs_adapt.engine.train import train


def test_a_configuration_is_all_that_training_needs(tiny_cell, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", iters=1)
    train(cfg, device="cpu")
    cell = json.loads((tmp_path / "run" / "cell.json").read_text())
    assert cell["cell"] == dict(cfg.cell)
    assert cell["options"] == {
        "overrides": list(cfg.origin.overrides),
        "data_root": cfg.data_root,
        "weights": None,
        "device": "cpu",
    }
    assert cell["command"] == ""
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert (manifest["cell"], manifest["overrides"]) == (cell["cell"], cell["options"]["overrides"])


def test_no_process_of_a_loader_outlives_its_training(tiny_cell) -> None:
    gc.collect()
    assert active_children() == []
    # Left to the collector, PyTorch waits 5 s for each of them.
    gc.disable()
    try:
        cfg = tiny_cell("da", iters=1, overrides=("runtime.num_workers=1",))
        assert cfg.train_dataloader.persistent_workers
        train(cfg, device="cpu")
        assert active_children() == []
    finally:
        gc.enable()
