"""The configuration of a pack is that of its training, whatever the methods' files hold today."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.inference.checkpoint import recompose

STORED = Path(__file__).parents[1] / "runs/stored_0_1_0/finished/manifest.json"


def pack(folder: Path, **changes: Any) -> Path:
    """Write the manifest of an Earth-Adapter pack on the synthetic bench, as version 0.1.0 did."""
    content = json.loads(STORED.read_text())
    content["cell"] |= {"method": "earth_adapter"}
    (folder / "manifest.json").write_text(json.dumps(content | changes))
    return folder


def rank(folder: Path, **options: Any) -> int:
    return int(recompose(folder, **options).model.backbone.adapter.rank)


def test_tuned_values_are_those_of_the_training(tmp_path: Path) -> None:
    # Version 0.1.0 recorded none, and tuned for this bench.
    assert rank(pack(tmp_path)) == 64
    assert rank(tmp_path, precision="bf16") == 64
    cell = json.loads(STORED.read_text())["cell"] | {"method": "earth_adapter", "tuned": False}
    assert rank(pack(tmp_path, cell=cell)) == 32
    assert rank(pack(tmp_path, tuned={"values": {}, "chosen": None})) == 32
    assert rank(pack(tmp_path, tuned={"values": {"rank": 8}, "chosen": "by hand"})) == 8
    assert rank(tmp_path, bench="dubai_urban2coast") == 8


@pytest.mark.parametrize("values", [{"type": "os.system"}, {"rank": {"type": "os.system"}}])
def test_tuned_values_of_a_pack_choose_no_code(tmp_path: Path, values: dict[str, Any]) -> None:
    with pytest.raises(CheckpointMismatch, match="must not choose code"):
        recompose(pack(tmp_path, tuned={"values": values}))
