"""Models of super-resolution that other runs use: what is refused, and the copy in the run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import rs_adapt
from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.records import Manifest, ResolverFacts, RunStart, read_record, write_record
from rs_adapt.runs.resolvers import check_resolver, copy_resolver, locate_resolver, read_resolver, refuse_resolved
from tests.resolver_models import CELL, write_resolver


def composed(tmp_path: Path, model: Path, bench: str = "synthetic-half-da", **options: Any) -> Any:
    overrides = [f"bench.resolve={model}"]
    return rs_adapt.compose(bench, work_dir=tmp_path / "run", overrides=overrides, **options)


def test_a_pack_of_colours_is_read(tmp_path: Path) -> None:
    model = read_resolver(write_resolver(tmp_path / "model", scale=4) / "manifest.json")
    assert (model.folder, model.facts.scale, model.facts.cell.method) == (tmp_path / "model", 4, "swin")
    assert "enlarged 4 times by a model of super-resolution (images-sr / swin" in model.facts.note()


def test_other_models_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointMismatch, match=r"bench.resolve: .*nothing does not exist"):
        read_resolver(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="a model of super-resolution of velocities .bench images.. Allowed: one of"):
        read_resolver(write_resolver(tmp_path / "flow", kind="velocity"))
    model = write_resolver(tmp_path / "model")
    manifest = read_record(model / "manifest.json", Manifest)
    assert manifest is not None
    other = tmp_path / "other"
    shutil.copytree(model, other)
    write_record(other / "manifest.json", manifest.model_copy(update={"network": None}))
    with pytest.raises(ConfigError, match=r"a model of bench images .* Allowed: a model of super-resolution of colour"):
        read_resolver(other)
    write_record(model / "cell.json", RunStart(cell=CELL))
    with pytest.raises(CheckpointMismatch, match="a run that is not finished. Continue it with --resume"):
        read_resolver(model)
    (model / "cell.json").unlink()
    (model / "adapter.safetensors").write_bytes(b"changed")
    with pytest.raises(CheckpointMismatch, match=r"its adapter.safetensors is not that of its manifest"):
        read_resolver(model)
    (model / "adapter.safetensors").unlink()
    with pytest.raises(CheckpointMismatch, match=r"its adapter.safetensors is missing"):
        read_resolver(model)


def test_the_factor_is_the_ratio_of_the_pixel_sizes(tmp_path: Path) -> None:
    assert check_resolver(rs_adapt.compose("synthetic-half-da"), resume=False) is None
    model = write_resolver(tmp_path / "model")
    facts = check_resolver(composed(tmp_path, model), resume=False)
    assert facts is not None
    assert facts.scale == 2
    message = r"which enlarges 2 times, and pixels of 0.58 m are 1.71 times those of 0.34 m. Allowed"
    with pytest.raises(ConfigError, match=message):
        check_resolver(composed(tmp_path, model, "shifts-da", direction="dev1"), resume=False)
    with pytest.raises(ConfigError, match="which enlarges 4 times, and pixels of 1 m are 2 times those of 0.5 m"):
        check_resolver(composed(tmp_path, write_resolver(tmp_path / "four", scale=4)), resume=False)


def test_a_run_is_resumed_with_its_own_model_and_keeps_a_copy(tmp_path: Path) -> None:
    model, run = write_resolver(tmp_path / "model"), tmp_path / "run"
    cfg = composed(tmp_path, model)
    facts = check_resolver(cfg, resume=False)
    assert facts is not None
    run.mkdir()
    write_record(run / "cell.json", RunStart(cell=CELL, resolver=facts))
    copy_resolver(cfg)
    assert check_resolver(cfg, resume=True) == facts
    with pytest.raises(ConfigError, match="lies in the folder of the run"):
        check_resolver(composed(tmp_path, run / "resolver"), resume=False)
    write_resolver(model, seed=1)
    with pytest.raises(CheckpointMismatch, match="was started with a model of super-resolution whose SHA-256 is"):
        check_resolver(cfg, resume=True)

    # The pack of a further selection finds the copy of its run.
    (run / "packs" / "iter100").mkdir(parents=True)
    assert locate_resolver(run, facts) == locate_resolver(run / "packs" / "iter100", facts) == run / "resolver"
    changed = facts.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(CheckpointMismatch, match="holds a different one"):
        locate_resolver(run, changed)
    shutil.rmtree(run / "resolver")
    with pytest.raises(CheckpointMismatch, match="there is no copy of that model at .* Copy the whole run folder"):
        locate_resolver(run, facts)


def test_a_pack_that_would_lose_its_model_is_refused(tmp_path: Path) -> None:
    refuse_resolved(tmp_path, None, verb="an export")
    with pytest.raises(ConfigError, match="which an export does not take along"):
        refuse_resolved(tmp_path, ResolverFacts(cell=CELL, sha256="0", scale=2), verb="an export")
