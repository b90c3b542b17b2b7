"""The record of a bench's file: what is read comes back as it stands there, and every mistake is one sentence."""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.own.bench_file import BenchFile, ClassBridge
from rs_adapt.config.paths import manifests_dir
from rs_adapt.errors import ConfigError, DataNotFound, RsAdaptError
from rs_adapt.validation import parse_as

TEMPLATE = own_bench.TEMPLATE.read_text(encoding="utf-8").replace("@NAME@", "harbour")


mistakes = functools.partial(pytest.mark.parametrize, ("old", "new", "message"))


def parse(text: str) -> BenchFile:
    return parse_as(BenchFile, tomllib.loads(text), file="harbour.toml")


def refusal(read: Callable[[str], object], old: str, new: str, *errors: type[RsAdaptError]) -> str:
    """Return the text of the error that a file raises which differs from the template in one place."""
    assert old in TEMPLATE
    with pytest.raises(errors) as caught:
        read(TEMPLATE.replace(old, new, 1))
    return str(caught.value)


def test_the_template_has_every_key_of_the_record() -> None:
    bench = parse(TEMPLATE)
    assert (bench.name, bench.tile_px, bench.source.val_share) == ("harbour", 512, 0.2)
    assert bench.classes is not None
    assert bench.classes[0].colour == (0xC8, 0xC8, 0xC8)
    # Examples that are switched off are keys too.
    keys = set(BenchFile.model_fields) | {"class"}
    for record in ("RegionTable", "LabelsTable", "TrainTable"):
        keys |= set(BenchFile.model_json_schema()["$defs"][record]["properties"])
    words = {line.lstrip("# ").partition(" = ")[0] for line in TEMPLATE.splitlines() if " = " in line}
    assert {word for word in words if word.isidentifier()} - keys == {"colour", "background", "building"} - keys


def test_the_schema_describes_every_key() -> None:
    schema = BenchFile.model_json_schema()
    records = [schema, *schema["$defs"].values()]
    undescribed = [key for record in records for key, facts in record["properties"].items() if not facts["description"]]
    assert undescribed == []
    assert "class" in schema["properties"]
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


def test_numbers_stay_as_they_are_written() -> None:
    text = TEMPLATE.replace("lr = 1e-4", "lr = 1\nresize_ratio = [1, 2.5]")
    text = text.replace("val_share = 0.2 ", "gsd_m = 1\nstretch = [0, 3000]\nval_share = 0.2 ")
    bench = parse(text)
    values = [bench.train.lr, *bench.train.resize_ratio, bench.source.gsd_m, *bench.source.stretch[2]]
    assert [(value, type(value)) for value in values] == [
        (1, int),
        (1, int),
        (2.5, float),
        (1, int),
        (0, int),
        (3000, int),
    ]


@mistakes(
    [
        (
            'name = "harbour"',
            'name = "My Harbour"',
            "name is 'My Harbour'; a name consists of lower-case letters, digits and _.",
        ),
        ('name = "harbour"', "", "name is missing: short name of small letters"),
        ("tile_px = 512", "tile_px = true", "tile_px is True; it must be a whole number."),
        ("tile_px = 512", "tile_px = 8", "tile_px is 8; it must be 16 or larger."),
        ("crop_px = 512", "crop_px = 600", "crop_px is 600; it must be 16 to 512, the tile_px."),
        ("crop_px = 512", "stride_px = 600", "stride_px is 600; it must be 1 to 512, the tile_px."),
        ("lr = 1e-4", "lr = 0", "train.lr is 0; it must be above 0"),
        ("iters = 20000", "iter = 20000", "there is no key train.iter. Did you mean iters? Known: backbone, "),
        (
            "batch_size = 2",
            "resize_ratio = [2, 1]",
            "train.resize_ratio is [2, 1]; it must be 2 numbers, smallest",
        ),
        ("val_share = 0.2 ", "val_share = 1 ", "source.val_share is 1; it must be from 0 to below 1."),
        ("val_share = 0.2 ", "bands = [0, 1, 2]", "source.bands is [0, 1, 2]; it must be 3 whole numbers from 1."),
        (
            "val_share = 0.2 ",
            'val_share = 0.2\nval = ["a"] ',
            "source: val and val_share both choose the validation tiles",
        ),
        ("# bands = [3, 2, 1]\n\n", 'val = ["a"]\n', "target: val has no meaning without labels to score on"),
        ("ignore = [255]", "nodata = nan", 'source.labels.nodata is nan; it must be a number, or "none"'),
        (
            'kind = "values"',
            'kind = "value"',
            "source.labels.kind is 'value'; allowed are 'values', 'colours' or",
        ),
        (
            'colour = "#DC2828"',
            "colour = [1, 2, 256]",
            "class 2.colour is [1, 2, 256]; a colour is three numbers",
        ),
    ],
)
def test_a_mistake_names_key_value_and_what_is_allowed(old: str, new: str, message: str) -> None:
    assert f"harbour.toml: {message}" in refusal(parse, old, new, ConfigError)


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    for folder in ("source/images", "source/labels", "target/images"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "harbour.toml"


def _content(bench: Path, text: str) -> dict[str, Any]:
    return own_bench.bench_content(tomllib.loads(text), bench)


@mistakes(
    [
        (
            "building = [1, 2]",
            "buildings = [1, 2]",
            "no key source.labels.classes.buildings. Did you mean building?",
        ),
        ("building = [1, 2]", "building = [2.5]", "source.labels.classes.building holds 2.5; label values are whole"),
        (
            'kind = "values"',
            'kind = "polygons"\ncolumn = "use"\nnodata = 0',
            "source.labels.nodata is for rasters, and polygons have no pixels",
        ),
        ("ignore = [255]", "nodata = 2", "source.labels.nodata is 2, which classes name too"),
        ("building = [1, 2]", "building = []", "source.labels.classes.building is []; it must be a list of values"),
        ('name = "building"', 'name = "background"', "class holds a name twice: 'background' and 'background'."),
        ('kind = "values"', 'kind = "polygons"', "source.labels.column is missing; it must be the attribute"),
        ("ignore = [255]", "layer = 2", "source.labels.layer is for polygons, but kind is 'values'"),
        (
            'kind = "values"',
            'kind = "polygons"\ncolumn = "use"\naoi = "done.geojson"',
            "source.labels.aoi says where pixels outside all polygons are background; name that class as background",
        ),
        (
            'kind = "values"',
            'kind = "polygons"\ncolumn = "use"\naoi_layer = 1',
            "source.labels.aoi_layer has no meaning without aoi",
        ),
        ('path = "source/labels"', 'path = "nowhere"', "source.labels.path names "),
        ('images = "target/images"', 'images = "target/images"\nname = "source"', "have the same name 'source'"),
        (
            "ignore = [255]",
            'background = "sea"',
            "source.labels.background is 'sea'; it must be one of background, ",
        ),
        ("ignore = [255]", 'legend = "lovedo"', "source.labels.legend is 'lovedo'; it must be a data set: "),
        ("ignore = [255]", 'legend = "loveda"\nignore = ["sky"]', "source.labels.ignore names 'sky'; the legend has "),
    ],
)
def test_a_mistake_across_keys_or_files_is_named_too(bench: Path, old: str, new: str, message: str) -> None:
    text = refusal(lambda text: _content(bench, text), old, new, ConfigError, DataNotFound)
    assert message in text
    assert str(bench) in text


def test_the_file_becomes_the_facts_of_a_bench(bench: Path) -> None:
    content = _content(bench, TEMPLATE)
    assert content["optim"] == {"lr": 1e-4, "weight_decay": 0.05, "poly_power": 0.9}
    facts = content["bench"]
    assert facts["schedule"] == {"iters": 20000, "eval_every": 2000, "batch_size": {"da": 2, "dg": 2, "ss": 2}}
    assert facts["own"] == tomllib.loads(TEMPLATE) | {"root": str(bench.parent)}
    assert facts["prepare"]["source"]["labels"]["to_index"] == [(0, 0), (1, 1), (2, 1)]
    assert (facts["source"]["val"] is None, facts["target"]["val"]) == (False, None)


@pytest.mark.parametrize("file", sorted((manifests_dir() / "bridges").glob("*.toml")), ids=lambda file: file.stem)
def test_a_bridge_is_a_record_with_its_legends(file: Path) -> None:
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    bridge = parse_as(ClassBridge, content, file=str(file))
    assert [one.name for one in bridge.classes] == [one["name"] for one in content.pop("class")]
    assert {name: bridge.legend(name) for name in content} == content
    assert bridge.legend("nowhere") is None


def test_keys_of_polygons_that_are_not_given_are_no_facts(bench: Path) -> None:
    def labels(keys: str) -> dict[str, Any]:
        text = TEMPLATE.replace(
            'kind = "values"', f'kind = "polygons"\ncolumn = "use"\nbackground = "background"\n{keys}', 1
        )
        facts: dict[str, Any] = _content(bench, text)["bench"]["prepare"]["source"]["labels"]
        return facts

    old = {"kind", "path", "suffix", "column", "background", "to_index", "ignore"}
    assert labels("").keys() == old
    aoi = bench.parent / "done.gpkg"
    aoi.touch()
    keys = 'layer = "plots"\ncrs = "EPSG:32632"\naoi = "done.gpkg"\naoi_layer = 2'
    new = {"layer": "plots", "crs": "EPSG:32632", "aoi": str(aoi), "aoi_layer": 2}
    assert labels(keys) == labels("") | new


def test_codes_of_any_size_and_nodata_are_taken(bench: Path) -> None:
    text = TEMPLATE.replace("building = [1, 2]", "building = [70000, -3]").replace("ignore = [255]", "nodata = -9999")
    labels = _content(bench, text)["bench"]["prepare"]["source"]["labels"]
    assert (labels["to_index"], labels["nodata"]) == ([(0, 0), (70000, 1), (-3, 1)], -9999)
    # What is not given leaves no trace, so that configurations of before stay equal.
    prepare = _content(bench, TEMPLATE)["bench"]["prepare"]
    assert not {"nodata"} & ({*prepare["source"]} | {*prepare["source"]["labels"]} | {*prepare["target"]})
