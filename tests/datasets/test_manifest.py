"""Manifests: every one reads, and says the same as the benches that use it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rs_adapt.config import axes
from rs_adapt.datasets.manifest import load_manifest, manifest_names
from rs_adapt.errors import UnknownName


@pytest.mark.parametrize("name", manifest_names())
def test_every_manifest_reads_and_its_values_are_unique(name: str) -> None:
    manifest = load_manifest(name)
    assert manifest.name == name
    values = [one.value for one in manifest.classes]
    assert len(set(values)) == len(values)
    colours = [colour for one in manifest.classes for colour in one.colours]
    assert len(set(colours)) == len(colours)
    assert {one.value for one in manifest.classes if one.ignored} <= set(manifest.ignore_values)


@pytest.mark.parametrize("bench", axes.values_of_task("bench", "segmentation"))
def test_benches_have_the_classes_of_their_manifests(bench: str) -> None:
    facts = axes.load("bench", bench)["bench"]
    if "classes" in facts["source"]:
        for side in (facts["source"], facts["target"]):
            manifest = load_manifest(side["train"]["img_dir"].partition("/")[0])
            # Labels of value 0 are ignored, among them iSAID's background.
            own = [(one.name, list(one.colours[0])) for one in manifest.classes if one.value and not one.ignored]
            assert own == [(name, list(colour)) for name, colour in zip(side["classes"], side["palette"], strict=True)]
        return
    for name in [facts["data"]] if isinstance(facts["data"], str) else facts["data"]:
        scored = [one for one in load_manifest(name).classes if not one.ignored]
        assert [one.name for one in scored] == list(facts["classes"])
        # Labels that hold values only have no colours of their own.
        # Only maps need a palette.
        palette = facts.get("palette") or [[]] * len(scored)
        painted = [(list(one.colours[0]), colour) for one, colour in zip(scored, palette, strict=True) if one.colours]
        assert all(own == list(colour) for own, colour in painted)


@pytest.mark.parametrize("name", manifest_names())
def test_every_file_has_an_address_or_steps(name: str) -> None:
    manifest = load_manifest(name)
    for one in manifest.archives:
        assert all(url.startswith("https://") for url in one.urls)
        assert one.md5 is None or re.fullmatch("[0-9a-f]{32}", one.md5)
        assert one.sha256 is None or re.fullmatch("[0-9a-f]{64}", one.sha256)
        assert one.urls or manifest.by_hand, f"{one.name} has neither"
    is_drawn = name in ("synthetic", "shifts", "flow")
    assert (manifest.access == "drawn") == is_drawn
    # What is missing is said with the command that gets it.
    command = f"rs-adapt data fetch {name.replace('_', '-')}"
    assert command in manifest.how_to_get or is_drawn


def test_readme_has_every_manifest() -> None:
    text = (Path(__file__).parents[2] / "data" / "README.md").read_text(encoding="utf-8")
    assert [name for name in manifest_names() if f"| `{name}` |" not in text] == []


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"no data set 'lovda'. Did you mean loveda\? Known: casid"):
        load_manifest("lovda")


def test_legend_has_every_colour_of_a_value() -> None:
    legend = load_manifest("dubai").legend()
    assert (legend[(155, 155, 155)], legend[(0, 0, 0)], legend[(226, 169, 41)]) == (0, 0, 4)


def test_reading_data_loads_no_torch() -> None:
    names = ("manifest", "tile_origin", "tile_sets", "verify", "checks", "tile_statistics", "prepare", "originals")
    modules = ", ".join(f"rs_adapt.datasets.{name}" for name in names)
    heavy = ("torch", "mmengine", "mmcv", "mmseg", "transformers")
    code = f"import sys, {modules}\nprint([name for name in {heavy!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert run.stdout == "[]\n"
