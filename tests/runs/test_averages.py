"""Which packs may be averaged, and the manifest of the mean; no torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.errors import CheckpointMismatch, ConfigError
from rs_adapt.runs.averages import check_shares, choice_of_gate, mean_manifest, read_members, start_from_images

STORED = Path(__file__).parent / "stored_0_1_0" / "finished"
Pack = Callable[..., Path]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    """Return a function that writes a pack whose manifest differs from a stored one in some keys."""

    def write(name: str, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copyfile(STORED / "adapter.safetensors", folder / "adapter.safetensors")
        content = json.loads((STORED / "manifest.json").read_text())
        content["tensors"]["sha256"] = name.ljust(64, "0")
        for key, value in changes.items():
            content[key] = {**content[key], **value} if isinstance(value, dict) and content.get(key) else value
        (folder / "manifest.json").write_text(json.dumps(content))
        return folder

    return write


def test_the_mean_names_its_members_and_has_no_scores(pack: Pack) -> None:
    folders = [pack("a", notes=["Half the tiles."]), pack("b", cell={"strategy": "dacs", "setting": "da"})]
    members = read_members(folders)
    manifest = mean_manifest(members, [0.25, 0.75], overrides=["model.decode_head.dropout=0.1"])
    assert (manifest.cell.strategy, manifest.cell.setting) == ("average", "da")
    assert [(pack.cell.strategy, pack.share) for pack in manifest.averaged] == [("source_only", 0.25), ("dacs", 0.75)]
    assert [pack.sha256[0] for pack in manifest.averaged] == ["a", "b"]
    setting = members[0].cell.setting
    assert list(manifest.notes) == [
        "Half the tiles.",
        f"The weights are the mean of 2 packs: 25 % source-only ({setting}), 75 % dacs (da).",
    ]
    assert manifest.metrics is None
    assert manifest.calibration is None
    assert manifest.overrides == ["model.decode_head.dropout=0.1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cell": {"method": "rein"}}, "differ in their method"),
        ({"cell": {"bench": "loveda_r2u"}}, "differ in their bench"),
        ({"cell": {"head": "mask2former"}}, "differ in their head"),
        ({"base": {"sha256": "0" * 64}}, "differ in their base weights"),
        ({"cell": {"seed": 7}}, "seed 7: they started from different heads"),
        ({"cell": {"protocol": "paper"}}, "differ in their protocol"),
        ({"gsd_matched": True}, r"differ in their strategy.match_gsd \(False and True\)"),
    ],
)
def test_packs_that_differ_in_more_than_their_training_are_refused(pack: Pack, changes: Any, words: str) -> None:
    folders = [pack("a"), pack("b", **changes)]
    with pytest.raises(CheckpointMismatch, match=words) as raised:
        read_members(folders)
    assert all(str(folder) in str(raised.value) for folder in folders)


def test_a_mean_needs_two_different_packs(pack: Pack, tmp_path: Path) -> None:
    first = pack("a")
    with pytest.raises(ConfigError, match="1 pack is named; a mean needs two or more"):
        read_members([first])
    with pytest.raises(ConfigError, match="Two of the packs have the same weights"):
        read_members([first, first])
    with pytest.raises(CheckpointMismatch, match="nowhere does not exist"):
        read_members([first, tmp_path / "nowhere"])


def test_packs_without_tensors_are_not_called_the_same(pack: Pack) -> None:
    # Their tensors are refused where they are read.
    assert len(read_members([pack("a", tensors=None), pack("b", tensors=None)])) == 2


def test_shares_are_equal_or_add_up_to_one() -> None:
    assert check_shares(None, count=4) == [0.25] * 4
    assert check_shares([0.3, 0.7], count=2) == [0.3, 0.7]
    for shares, words in (
        ([0.5], "one above 0 for each of the 2 packs"),
        ([1.0, 0.0], "one above 0 for each"),
        ([0.5, float("nan")], "one above 0 for each"),
        ([0.5, 0.6], "add up to 1.1; they must add up to 1"),
    ):
        with pytest.raises(ConfigError, match=words):
            check_shares(shares, count=2)


def test_adapters_that_differ_from_their_start_on_are_known_by_their_settings() -> None:
    eva = {"type": "rs_adapt.PeftAdapter", "options": {"init_lora_weights": "eva"}}
    gate = {"type": "rs_adapt.Gate", "k": "25%", "host": {"type": "rs_adapt.Lora"}}
    assert "starts from the images" in str(start_from_images({"type": "rs_adapt.Stack", "adapters": [gate, eva]}))
    assert "chooses different modules" in str(choice_of_gate({"host": [gate]}))
    for plain in (None, {"type": "rs_adapt.Lora"}, {**gate, "k": None}, {"options": {"init_lora_weights": "pissa"}}):
        assert start_from_images(plain) is choice_of_gate(plain) is None
