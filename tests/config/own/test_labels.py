"""Class bridges: every shipped one translates all that its data sets hold, and a bench takes its classes from it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from rs_adapt.config import axes, paths
from rs_adapt.datasets.manifest import load_manifest
from rs_adapt.errors import ConfigError, DataNotFound

BRIDGES = sorted((paths.manifests_dir() / "bridges").glob("*.toml"))

BENCH = """
name = "across"
bridge = "{bridge}"
[source]
images = "{folder}"
[source.labels]
path = "{folder}"
legend = "loveda"
[target]
images = "{folder}"
[target.labels]
path = "{folder}"
legend = "potsdam"
{more}
"""


@pytest.mark.parametrize("file", BRIDGES, ids=lambda file: file.stem)
def test_a_bridge_names_every_class_of_its_data_sets_once(file: Path) -> None:
    bridge = tomllib.loads(file.read_text(encoding="utf-8"))
    classes = [one["name"] for one in bridge.pop("class")]
    assert len(bridge) >= 2
    for legend, mapping in bridge.items():
        named = [name for names in mapping.values() for name in names]
        scored = [one.name for one in load_manifest(legend).classes if not one.ignored]
        assert sorted(named) == sorted(scored), legend
        assert sorted(mapping) == sorted([*classes, "ignore"]), legend


def _bench(tmp_path: Path, *, bridge: str = "loveda-isprs", more: str = "") -> str:
    path = tmp_path / "across.toml"
    path.write_text(BENCH.format(bridge=bridge, folder=tmp_path, more=more))
    return str(path)


def test_a_bench_gets_classes_and_values_from_the_bridge(tmp_path: Path) -> None:
    bench = axes.bench_facts(_bench(tmp_path))
    assert bench["classes"] == ["building", "paved", "vegetation"]
    source, target = (bench["prepare"][role]["labels"] for role in ("source", "target"))
    # LoveDA: 0 no data, 1 background, 2 building, 3 road, 4 water, 5 barren, 6 forest, 7 agricultural.
    assert (source["to_index"], sorted(source["ignore"])) == ([(2, 0), (3, 1), (6, 2), (7, 2)], [0, 1, 4, 5])
    # Potsdam: 0 boundary, 1 impervious, 2 building, 3 low vegetation, 4 tree, 5 car, 6 clutter.
    assert (target["to_index"], sorted(target["ignore"])) == ([(2, 0), (1, 1), (3, 2), (4, 2)], [0, 5, 6])


def test_colours_of_a_legend_stand_for_its_names(tmp_path: Path) -> None:
    labels = axes.bench_facts(_bench(tmp_path, more='kind = "colours"'))["prepare"]["target"]["labels"]
    assert ((0, 0, 255), 0) in labels["to_index"]
    assert ((0, 0, 0)) in labels["ignore"]


def test_an_unknown_bridge_names_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match=r"bridge names 'loveda-city': no file .* and none of .*loveda_isprs"):
        axes.peek("bench", _bench(tmp_path, bridge="loveda-city"))


def test_a_legend_that_the_bridge_does_not_translate_is_refused(tmp_path: Path) -> None:
    text = BENCH.format(bridge="loveda-isprs", folder=tmp_path, more="").replace('"potsdam"', '"dubai"')
    (tmp_path / "across.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"target.labels.legend is 'dubai', which the bridge does not translate"):
        axes.peek("bench", str(tmp_path / "across.toml"))
