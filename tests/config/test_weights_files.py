"""Facts of base weights: one place each, found by either name."""

from __future__ import annotations

import re
import shutil
import tomllib
from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import axes
from rs_adapt.config.paths import configs_dir
from rs_adapt.config.weights_files import fetch_command, find_weights_file, weights_files
from rs_adapt.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path


def test_names_and_files_are_unique() -> None:
    files = weights_files()
    assert len({one.name for one in files}) == len(files)
    assert len({one.facts["file"] for one in files}) == len(files)


def test_no_file_is_described_twice() -> None:
    entries = tomllib.loads((configs_dir() / "weights.toml").read_text(encoding="utf-8"))
    twice = set(entries) & set(axes.values("backbone"))
    assert not twice, f"these have a backbone now, take them out of configs/weights.toml: {sorted(twice)}"


@pytest.mark.parametrize("one", weights_files(), ids=lambda one: one.name)
def test_facts_are_complete(one) -> None:
    assert one.facts["licence"]
    assert one.facts.get("sha256") is None or re.fullmatch("[0-9a-f]{64}", one.facts["sha256"])
    if not one.facts.get("shipped"):
        assert one.published.urls[0].startswith("https://")
        assert one.published.urls[0].endswith(f"/{one.facts['file']}")
    # OpenAI's addresses hold the checksum.
    if any("openaipublic" in url for url in one.published.urls):
        assert one.facts["sha256"] in one.published.urls[0]


@pytest.mark.parametrize("name", ["dinov2-l", "DINOv2_L", "dinov2_vitl14_pretrain.pth"])
def test_found_by_backbone_or_file(name: str) -> None:
    found = find_weights_file(name)
    assert (found.name, found.has_backbone, found.published.size_bytes) == ("dinov2_l", True, 1_217_586_395)


def test_backbone_takes_the_place_of_an_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(configs_dir(), tmp_path / "configs")
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(tmp_path / "configs"))
    entry = '[other]\ntitle = "Other"\nfile = "other.pt"\nurl = "https://example.org/other.pt"\nlicence = "MIT"\n'
    (tmp_path / "configs" / "weights.toml").write_text(entry)
    assert not find_weights_file("other").has_backbone
    source = (tmp_path / "configs" / "backbone" / "dinov2_l.py").read_text()
    (tmp_path / "configs" / "backbone" / "other.py").write_text(source.replace('name="dinov2_l"', 'name="other"'))
    assert find_weights_file("other").has_backbone
    assert len([one for one in weights_files() if one.name == "other"]) == 1
    (tmp_path / "configs" / "weights.toml").unlink()
    assert all(one.has_backbone for one in weights_files())


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no file of base weights 'dinov2_xl'. Did you mean dinov2-l.*dinov2-nano"):
        find_weights_file("dinov2_xl")


def test_command_names_the_backbone_where_there_is_one() -> None:
    assert fetch_command({"file": "dinov2_vitg14_pretrain.pth"}) == "rs-adapt weights fetch dinov2-g"
    assert fetch_command({"file": "own.pth"}) == "rs-adapt weights fetch own.pth"
