from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.config import axes, axis_files, directions, resolve_cell
from rs_adapt.config.bench_names import bench_families
from rs_adapt.errors import ConfigError, UnknownName

if TYPE_CHECKING:
    from pathlib import Path

_FAMILY = """
bench = dict(
    family="shore",
    classes=["sea", "land"],
    regions=dict(
        east=dict(train=dict(img_dir="e/train"), val=dict(img_dir="e/val")),
        west=dict(train=dict(img_dir="w/train"), val=None, bands="irrg"),
    ),
    directions=dict(
        w2e=dict(title="West to east", source="west", target="east"),
        e2w=dict(title="East to west", source="east", target="west"),
    ),
)
optim = dict(lr=1.0)
"""


@pytest.fixture
def shore(own_configs: Path) -> Path:
    file = own_configs / "bench" / "shore.py"
    file.write_text(_FAMILY)
    return file


def test_a_file_of_several_directions_is_one_bench_for_each(shore: Path) -> None:
    assert [name for name in axes.values("bench") if name.startswith("shore")] == ["shore_e2w", "shore_w2e"]
    assert axes.find("bench", "Shore-E2W") == "shore_e2w"
    assert axes.load("bench", "shore_e2w") == {
        "bench": {
            "family": "shore",
            "classes": ["sea", "land"],
            "name": "shore_e2w",
            "direction": "e2w",
            "default": False,
            "title": "East to west",
            "source": {"region": "east", "train": {"img_dir": "e/train"}, "val": {"img_dir": "e/val"}},
            "target": {"region": "west", "train": {"img_dir": "w/train"}, "val": None, "bands": "irrg"},
        },
        "optim": {"lr": 1.0},
    }
    assert axes.title("bench", "shore_e2w") == "East to west"


def test_the_first_direction_is_the_default(shore: Path) -> None:
    assert axes.bench_facts("shore_w2e")["default"]
    assert bench_families()["shore"] == {"w2e": "shore_w2e", "e2w": "shore_e2w"}


def test_a_file_that_changes_is_read_again(shore: Path) -> None:
    assert set(bench_families()["shore"]) == {"w2e", "e2w"}
    shore.write_text(_FAMILY.replace("e2w=dict(", "back=dict("))
    assert set(bench_families()["shore"]) == {"w2e", "back"}
    shore.unlink()
    assert "shore" not in bench_families()


@pytest.mark.parametrize("name", ["shore", "shore_w2", "shore_w2e_x"])
def test_the_file_itself_is_no_bench(shore: Path, name: str) -> None:
    with pytest.raises(UnknownName, match=rf"no bench '{name}'\. Did you mean .*shore-e2w"):
        axes.find("bench", name)


def test_loading_hands_out_a_copy(shore: Path) -> None:
    axes.load("bench", "shore_e2w")["bench"]["target"]["train"]["img_dir"] = "elsewhere"
    axes.load("bench", "shore_e2w")["bench"]["classes"].append("snow")
    facts = axes.bench_facts("shore_e2w")
    assert (facts["target"]["train"]["img_dir"], facts["classes"]) == ("w/train", ["sea", "land"])


def test_a_bench_in_two_files_is_refused(shore: Path) -> None:
    shore.with_name("shore_e2w.py").write_text("bench = dict(family='shore')\n")
    with pytest.raises(ConfigError, match=r"shore\.py and configs/bench/shore_e2w\.py both hold the bench shore_e2w"):
        axes.values("bench")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('source="east"', 'source="north"', r"e2w\.source is 'north', .* bench\.regions\. Allowed: east, west"),
        (', source="east"', "", r"e2w has the keys title, target\. It needs title, source and target"),
        (
            'target="west"',
            'target="west", default=True',
            r"e2w .*default.* may have prepare, and no others",
        ),
    ],
    ids=["unknown region", "missing key", "unknown key"],
)
def test_a_wrong_direction_is_refused_with_its_file(shore: Path, before: str, after: str, message: str) -> None:
    shore.write_text(_FAMILY.replace(before, after))
    with pytest.raises(ConfigError, match=rf"configs/bench/shore\.py: bench\.directions\.{message}"):
        axes.load("bench", "shore_e2w")


def test_a_direction_may_change_the_recipe_of_its_tiles(shore: Path) -> None:
    shared = 'prepare=dict(kind="synthetic", seed=3), directions'
    own = 'target="west", prepare=dict(regions=["east", "west"])'
    shore.write_text(_FAMILY.replace("directions", shared, 1).replace('target="west"', own))
    facts = axes.load("bench", "shore_e2w")["bench"]
    assert facts["prepare"] == {"kind": "synthetic", "seed": 3, "regions": ["east", "west"]}
    assert facts["source"]["region"] == "east"


def test_a_bench_is_found_without_reading_other_files(own_configs: Path) -> None:
    (own_configs / "bench" / "broken.py").write_text("bench = dict(")
    assert directions.file_stem("casid_tms2sub") == "casid"
    assert directions.file_stem("loveda_1024_r2u") == "loveda_1024_r2u"
    assert directions.file_stem("no_such_bench") is None


def test_casid_has_every_pair_of_climates() -> None:
    climates = ("sub", "tem", "tms", "trf")
    pairs = [f"{one}2{other}" for one in climates for other in climates if one != other]
    assert [name for name in axes.values("bench") if name.startswith("casid")] == [f"casid_{pair}" for pair in pairs]
    assert "casid" in axis_files.stems("bench")
    assert resolve_cell("casid-dg").bench == "casid_sub2tem"
    facts = axes.bench_facts("casid_trf2tms")
    assert (facts["source"]["region"], facts["target"]["region"]) == ("trf", "tms")
    assert facts["target"]["val"] == {"img_dir": "casid/tms/test/img_dir", "ann_dir": "casid/tms/test/ann_dir"}
