from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors import safe_open

from rs_adapt.backbones import Dinov2
from rs_adapt.config import axes, paths
from rs_adapt.errors import OutputExists
from rs_adapt.pretraining import NANO, build_nano, write_weights

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = axes.load("backbone", "dinov2_nano")
SIZES = {key: value for key, value in CONFIG["model"]["backbone"].items() if key != "type"}
QUICK = dataclasses.replace(NANO, num_scenes=2, scene_px=160, batch_size=2, steps=2)


def test_built_weights_load_as_the_base_that_they_are(tmp_path: Path) -> None:
    seen: list[str] = []
    vit = build_nano(
        CONFIG["backbone"], CONFIG["model"]["backbone"], recipe=QUICK, on_progress=lambda what, *_: seen.append(what)
    )
    file = tmp_path / "sub" / "nano.safetensors"
    write_weights(file, vit, recipe=QUICK)
    loaded = Dinov2(**SIZES, weights=file)
    for name, value in vit.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-4)
    assert seen[0] == "drawing scenes"
    assert seen[-1].startswith("training, loss ")
    with safe_open(file, "pt") as stored:
        assert json.loads(stored.metadata()["recipe"])["steps"] == 2
    before = file.read_bytes()
    with pytest.raises(OutputExists, match="exists. Choose a different file with --out, or add --overwrite"):
        write_weights(file, vit, recipe=QUICK)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["nano.safetensors"]


def test_the_shipped_file_is_the_one_of_the_config() -> None:
    facts = CONFIG["backbone"]["weights"]
    file = paths.weights_file(facts)
    content = file.read_bytes()
    assert len(content) == facts["bytes"] <= 6_000_000
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]
    assert Dinov2(**SIZES, weights=file).base_sha256() == facts["base_sha256"]
    with safe_open(file, "pt") as stored:
        # The recipe in the code is the one that the file was made with.
        assert json.loads(stored.metadata()["recipe"]) == json.loads(json.dumps(dataclasses.asdict(NANO)))
        assert {stored.get_tensor(name).dtype for name in stored.keys()} == {torch.float16}
