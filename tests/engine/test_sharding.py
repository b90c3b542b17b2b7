"""`runtime.sharding`: what cannot be sharded is refused before a run folder is made; numbers do not depend on it.

`tests/adapters/test_sharded_base.py` compares features and gradients, `test_sharding_processes.py` runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rs_adapt.api.configuration import compose
from rs_adapt.backbones import Dinov2
from rs_adapt.commands import main
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine import sharding
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.sharding import check_sharding, make_mesh, shard_base, shard_names
from rs_adapt.errors import ConfigError, DeviceUnavailable, IncompatibleCell, WeightsError

KEY = "runtime.sharding=fsdp"


def _compose(*overrides: str, bench: str = "synthetic-da", **options: Any) -> ResolvedConfig:
    return compose(bench, overrides=overrides, work_dir="work_dirs/none", **options)


def _fail(*words: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code == 2


def test_other_values_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    _fail("train", "--bench", "synthetic-da", "--set", "runtime.sharding=zero3", "--work-dir", str(folder))
    assert "runtime.sharding is 'zero3'. Allowed: none or fsdp." in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize(
    "words", [("train",), ("train", "--dry-run"), ("train", "--processes", "1"), ("cost", "--methods", "lora")]
)
def test_one_process_is_refused(words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    where = () if words[0] == "cost" else ("--work-dir", str(folder))
    _fail(*words, "--bench", "synthetic-da", "--set", KEY, *where)
    error = capsys.readouterr().err
    assert f"{KEY} divides the base among the processes of a training, and this is one process." in error
    assert "--processes K or torchrun" in error
    assert not folder.exists()


def test_a_dry_run_of_two_processes_passes(loveda_root: Path, tmp_path: Path) -> None:
    sets = ("bench.partial=true", "bench.tile_px=64", "bench.crop_px=64", "bench.schedule.batch_size.dg=2", KEY)
    words = [word for text in sets for word in ("--set", text)]
    with pytest.raises(SystemExit) as stop:
        main(
            [
                *("train", "--bench", "loveda-dg", "--backbone", "dinov2-nano", "--head", "linear", "--dry-run"),
                *("--processes", "2", "--data-root", str(loveda_root), "--work-dir", str(tmp_path / "run"), *words),
            ]
        )
    assert stop.value.code == 0
    assert not (tmp_path / "run").exists()


def test_what_has_no_frozen_vit_is_refused() -> None:
    cases = {
        "shards the blocks of a ViT, and convnext_nano is none": {"backbone": "convnext-nano", "method": "frozen"},
        "shards a frozen base, and method full trains all of it": {"method": "full"},
    }
    for reason, axes in cases.items():
        cfg = _compose(KEY, weights="random", **axes)
        with pytest.raises(IncompatibleCell, match=reason):
            check_sharding(cfg, build_on_meta(cfg))
        whole = _compose(weights="random", **axes)
        check_sharding(whole, build_on_meta(whole))


@pytest.mark.parametrize(
    ("bench", "task"),
    [("synthetic-b2n", "classification"), ("synthetic-compose-dg", "captions"), ("flow-sr", "super-resolution")],
)
def test_other_tasks_are_refused(bench: str, task: str) -> None:
    with pytest.raises(ConfigError, match=f"is made for segmentation, and the task of this bench is {task}"):
        _compose(KEY, bench=bench)
    assert _compose(bench=bench).runtime.sharding == "none"


def test_a_base_that_no_gpu_can_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = _compose(KEY, backbone="dinov2-nano", method="lora")
    model: Any = build_on_meta(cfg)
    needed = 4 * sum(parameter.numel() for parameter in model.segmentor.backbone.base_parameters().values())
    for present in (None, needed):
        monkeypatch.setattr(sharding, "_gpu_bytes", lambda present=present: present)
        check_sharding(cfg, model)
    monkeypatch.setattr(sharding, "_gpu_bytes", lambda: needed - 1)
    with pytest.raises(DeviceUnavailable, match=r"dinov2_nano has 0\.0 GiB in fp32, and this GPU has 0\.0 GiB"):
        check_sharding(cfg, model)


def test_different_bases_are_not_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    vit = Dinov2(embed_dim=32, depth=4, num_heads=2, patch_px=8, image_px=48, out_layers=(0, 1, 2, 3))
    monkeypatch.setattr(sharding, "on_rank_zero", lambda work: "0" * 64)
    with pytest.raises(WeightsError, match=f"different base weights .SHA-256 {vit.base_sha256()[:16]}"):
        shard_base(vit, torch.device("cpu"))
    assert not shard_names(vit)


def test_without_a_process_group_there_is_no_mesh() -> None:
    with pytest.raises(ConfigError, match="1 processes cannot form a device mesh on cpu .* --device cpu"):
        make_mesh(torch.device("cpu"))


def test_an_interrupted_run_may_be_resumed_with_or_without_shards() -> None:
    whole, sharded = (result_settings(_compose(*keys).pretty_text, file="") for keys in ((), (KEY,)))
    assert changed_settings(whole, sharded) == []
