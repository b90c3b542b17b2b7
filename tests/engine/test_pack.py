"""Adapter packs: a round trip, and a reason for every refusal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rs_adapt.engine.pack import load_pack, save_pack, write_manifest
from rs_adapt.engine.state import trained_tensors
from rs_adapt.errors import CheckpointMismatch, NonFiniteWeights
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import BaseWeights, CellNames, Manifest

CLASSES = ["field", "water"]
BASE = "a" * 64


class Toy(nn.Module):
    """A frozen base, and a head that trains."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 2).requires_grad_(False)
        self.decode_head = nn.Linear(2, width)


@pytest.fixture
def pack(tmp_path: Path) -> tuple[Path, Toy, Manifest]:
    """A pack in a folder, the model it was made from, and its manifest."""
    model = Toy()
    cell = CellNames(
        bench="toy", setting="dg", method="frozen", backbone="toy", head="linear", strategy="source_only", seed=0
    )
    facts = Manifest(cell=cell, overrides=[], classes=CLASSES, base=BaseWeights(name="toy", sha256=BASE))
    manifest = save_pack(tmp_path, model, facts)
    return tmp_path, model, manifest


def test_round_trip_restores_the_trained_tensors_and_stores_no_others(pack) -> None:
    folder, model, manifest = pack
    other = Toy()
    frozen = other.backbone.weight.clone()
    loaded = load_pack(folder, other, classes=CLASSES, base_sha256=BASE)
    assert torch.equal(other.decode_head.weight, model.decode_head.weight)
    assert torch.equal(other.backbone.weight, frozen)
    assert loaded == manifest == read_manifest(folder / "adapter.safetensors")
    assert manifest.tensors.count == 2


def test_other_base_is_refused(pack) -> None:
    with pytest.raises(CheckpointMismatch, match="belongs to the base toy with SHA-256 aaaa.*these weights have bbbb"):
        load_pack(pack[0], Toy(), classes=CLASSES, base_sha256="b" * 64)


@pytest.mark.parametrize("classes", [["water", "field"], ["field"], ["field", "water", "road"]])
def test_other_class_list_is_refused_even_if_only_the_order_differs(pack, classes: list[str]) -> None:
    with pytest.raises(CheckpointMismatch, match="trained on the classes field, water; here they are"):
        load_pack(pack[0], Toy(), classes=classes, base_sha256=BASE)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(pack, wrong: float) -> None:
    folder, model, manifest = pack
    before = (folder / "adapter.safetensors").read_bytes()
    with torch.no_grad():
        model.decode_head.weight[0, 1] = wrong
    with pytest.raises(NonFiniteWeights, match=r"NaN or infinite in 1 of 2 tensors, first decode_head\.weight"):
        save_pack(folder, model, manifest)
    assert (folder / "adapter.safetensors").read_bytes() == before
    save_file(trained_tensors(model), folder / "adapter.safetensors")
    write_manifest(folder, manifest)
    with pytest.raises(CheckpointMismatch, match=r"adapter\.safetensors holds values that are not finite"):
        load_pack(folder, Toy(), classes=CLASSES, base_sha256=BASE)


def test_damaged_tensors_are_refused(pack) -> None:
    path = pack[0] / "adapter.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointMismatch, match=r"adapter\.safetensors is damaged: its SHA-256"):
        load_pack(pack[0], Toy(), classes=CLASSES, base_sha256=BASE)
    path.unlink()
    with pytest.raises(CheckpointMismatch, match=r"adapter\.safetensors is missing"):
        load_pack(pack[0], Toy(), classes=CLASSES, base_sha256=BASE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "cannot be read: it is no JSON, or cut off: Expecting property name"),
        ('{"classes": []}', "cell is missing"),
        ("[]", r"it holds \[\]; it must be a table"),
    ],
)
def test_damaged_manifest_is_refused(pack, text: str, why: str) -> None:
    (pack[0] / "manifest.json").write_text(text)
    with pytest.raises(CheckpointMismatch, match=rf"manifest\.json:? {why}.*Copy the pack again\.$"):
        read_manifest(pack[0])


def test_newer_format_and_missing_pack_are_explained(pack, tmp_path: Path) -> None:
    manifest = json.loads((pack[0] / "manifest.json").read_text())
    (pack[0] / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(CheckpointMismatch, match="has format 99, this version reads format 1. Update"):
        read_manifest(pack[0])
    with pytest.raises(CheckpointMismatch, match="holds no adapter pack"):
        read_manifest(tmp_path / "nowhere")


def test_tensors_of_a_different_model_are_refused(pack) -> None:
    folder, _, manifest = pack
    with pytest.raises(CheckpointMismatch, match=r"decode_head\.bias has shape \(3,\), this model needs \(4,\)"):
        load_pack(folder, Toy(width=4), classes=CLASSES, base_sha256=BASE)
    from rs_adapt.backbones.weights import file_sha256

    save_file({"decode_head.weight": torch.zeros(3, 2)}, folder / "adapter.safetensors")
    content = manifest.content()
    content["tensors"]["sha256"] = file_sha256(folder / "adapter.safetensors")
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointMismatch, match="lacks 1 tensors of this model, first decode_head.bias"):
        load_pack(folder, Toy(), classes=CLASSES, base_sha256=BASE)
