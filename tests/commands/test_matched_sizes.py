"""A pack whose regions were brought to one pixel size, in commands that read packs: judge, average, train --from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from rs_adapt.config import compose, resolve_cell
from rs_adapt.engine.initial import check_initial_weights, read_initial_weights
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import file_sha256
from rs_adapt.inference.checkpoint import recompose
from rs_adapt.inference.predictor import Predictor
from rs_adapt.judging.tiles import TargetTiles
from rs_adapt.registry import load_libraries, quiet_libraries

# Trained on `synthetic`, whose target has pixels of 0.7 m and whose source has pixels of 0.5 m.
RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
ENLARGED_PX = 176  # 128 * 0.7 / 0.5, in whole patches of 8
Verb = Callable[..., tuple[Any, str, str]]


def as_matched(folder: Path, *, moved: float = 0.0) -> Path:
    """Write a copy of the stored pack that says that its regions had one pixel size."""
    shutil.copytree(RUN, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    save_file(
        {name: value + moved for name, value in load_file(RUN / "adapter.safetensors").items()},
        folder / "adapter.safetensors",
    )
    manifest["tensors"]["sha256"] = file_sha256(folder / "adapter.safetensors")
    manifest |= {"overrides": [*manifest["overrides"], "strategy.match_gsd=True"], "gsd_m": 0.5, "gsd_matched": True}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def predicted_px(folder: Path) -> int:
    steps = recompose(folder).test_dataloader.dataset.pipeline
    return next(int(step.scale[0]) for step in steps if step.type == "Resize")


@pytest.mark.slow
def test_each_model_is_judged_at_the_size_at_which_it_is_scored(tmp_path: Path, shared_home: Path) -> None:
    matched = as_matched(tmp_path / "matched")
    configs = [recompose(folder) for folder in (matched, RUN)]
    with quiet_libraries():
        one, other = (
            Predictor.load(cfg, place, device="cpu") for cfg, place in zip(configs, (matched, RUN), strict=True)
        )
        both = list(TargetTiles(configs[0], against=configs[1], most=2).pairs(one, other))
        alone = list(TargetTiles(configs[1], most=2).pairs(other, other))
    for pair, single in zip(both, alone, strict=True):
        assert pair.image == single.image
        assert np.array_equal(pair.against_KHW, single.run_KHW)
        # The same weights see larger images.
        assert pair.run_KHW.shape == single.run_KHW.shape
        assert np.abs(pair.run_KHW - single.run_KHW).max() > 1e-3


def test_the_mean_of_matched_packs_is_matched(tmp_path: Path, run_verb: Verb) -> None:
    packs = (as_matched(tmp_path / "a"), as_matched(tmp_path / "b", moved=0.01))
    code, _, error = run_verb("average", *packs, "--out", tmp_path / "mean")
    assert code == 0, error
    assert predicted_px(tmp_path / "mean") == predicted_px(packs[0]) == ENLARGED_PX != predicted_px(RUN)
    assert json.loads((tmp_path / "mean" / "manifest.json").read_text())["gsd_matched"] is True
    code, _, error = run_verb("average", packs[0], RUN, "--out", tmp_path / "other")
    assert code == 2
    assert "differ in their strategy.match_gsd (True and False)" in " ".join(error.split())
    assert not (tmp_path / "other").exists()


def test_a_run_that_starts_from_a_matched_pack_is_matched_too(tmp_path: Path) -> None:
    initial = read_initial_weights(as_matched(tmp_path / "a"))
    cell = resolve_cell("synthetic-da", method="bitfit", strategy="source-free")
    unmatched, matched = (compose(cell, overrides=texts) for texts in ([], ["strategy.match_gsd=True"]))
    load_libraries(matched.default_scope)
    segmentor = segmentor_of(build_on_meta(matched))
    check_initial_weights(initial, matched, segmentor)
    with pytest.raises(CheckpointMismatch, match=r"Add --set strategy\.match_gsd=True"):
        check_initial_weights(initial, unmatched, segmentor)
    # What learnt at sizes of its own may go on at equal ones.
    check_initial_weights(read_initial_weights(RUN), matched, segmentor)
