from __future__ import annotations

import dataclasses

import pytest

from rs_adapt.config import Cell, resolve_cell
from rs_adapt.config.bench_names import bench_families
from rs_adapt.errors import ConfigError, DataNotFound, IncompatibleCell, UnknownName


def test_the_short_name_means_the_papers_cell() -> None:
    assert resolve_cell("loveda-da") == Cell(
        bench="loveda_r2u",
        setting="da",
        method="earth_adapter",
        backbone="dinov2_l",
        head="mask2former",
        strategy="dacs",
        seed=0,
        tuned=True,
    )


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
@pytest.mark.parametrize(
    ("name", "direction", "bench"),
    [
        ("loveda", None, "loveda_r2u"),
        ("loveda", "u2r", "loveda_u2r"),
        ("loveda-u2r", None, "loveda_u2r"),
        ("loveda_u2r", "U2R", "loveda_u2r"),
        ("LoveDA-r2u", None, "loveda_r2u"),
        ("isprs", None, "isprs_p2v"),
        ("isprs", "v2p", "isprs_v2p"),
    ],
)
def test_names_of_a_bench(name: str, direction: str | None, bench: str, setting: str) -> None:
    for joint in "-_":
        cell = resolve_cell(f"{name}{joint}{setting}", direction=direction)
        assert (cell.bench, cell.setting) == (bench, setting)


@pytest.mark.parametrize(("setting", "strategy"), [("da", "dacs"), ("dg", "source_only"), ("ss", "source_only")])
def test_the_setting_brings_its_strategy(setting: str, strategy: str) -> None:
    assert resolve_cell(f"loveda-{setting}").strategy == strategy


def test_named_axes_win() -> None:
    cell = resolve_cell(
        "loveda-da", method="rein", backbone="dinov2-s", head="linear", strategy="source-only", seed=3, tuned=False
    )
    expected = ("rein", "dinov2_s", "linear", "source_only", 3, False)
    assert (cell.method, cell.backbone, cell.head, cell.strategy, cell.seed, cell.tuned) == expected


def test_a_cell_is_frozen_and_made_of_plain_values() -> None:
    cell = resolve_cell("loveda-dg", seed=1)
    assert Cell(**dataclasses.asdict(cell)) == cell
    with pytest.raises(dataclasses.FrozenInstanceError):
        cell.seed = 2  # type: ignore[misc]


def test_a_cell_reads_as_one_line() -> None:
    cell = resolve_cell("loveda-dg", seed=1, tuned=False)
    assert str(cell) == "loveda-r2u-dg / earth-adapter / dinov2-l / mask2former / source-only / seed 1 / untuned"


@pytest.mark.parametrize("name", ["loveda", "loveda-r2u", "isprs_v2p"])
def test_a_bench_without_setting_lists_the_settings(name: str) -> None:
    spelled = name.replace("_", "-")
    with pytest.raises(ConfigError, match=rf"names no setting.*{spelled}-da:.*{spelled}-dg:.*{spelled}-ss:"):
        resolve_cell(name)


@pytest.mark.parametrize("name", ["lovda-da", "lovda", "loveda-xx"])
def test_an_unknown_bench_lists_the_nearest(name: str) -> None:
    with pytest.raises(UnknownName, match=r"no bench .*Did you mean loveda-.*Known: .*isprs-dg"):
        resolve_cell(name)


@pytest.mark.parametrize("axis", ["method", "backbone", "head", "strategy"])
def test_an_unknown_value_is_refused(axis: str) -> None:
    with pytest.raises(UnknownName, match=f"no {axis} 'nothing'.*Known:"):
        resolve_cell("loveda-da", **{axis: "nothing"})


def test_an_unknown_direction_lists_the_directions() -> None:
    with pytest.raises(UnknownName, match=r"direction of loveda 'p2v'.*Known: r2u, u2r"):
        resolve_cell("loveda-da", direction="p2v")


def test_a_direction_may_not_contradict_the_long_name() -> None:
    with pytest.raises(ConfigError, match=r"already states direction r2u.*--bench loveda-da --direction u2r"):
        resolve_cell("loveda-r2u-da", direction="u2r")


@pytest.mark.parametrize("setting", ["dg", "ss"])
def test_self_training_needs_target_images(setting: str) -> None:
    with pytest.raises(IncompatibleCell, match=rf"dacs works in da only.*setting is {setting}"):
        resolve_cell(f"loveda-{setting}", strategy="dacs")


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        resolve_cell("loveda-da", seed=-1)


def test_every_family_has_one_default_direction() -> None:
    from rs_adapt.config import axes

    for directions in bench_families().values():
        defaults = [axes.load("bench", bench)["bench"].get("default", False) for bench in directions.values()]
        # Directions with a different task have no default of their own.
        assert defaults.count(True) == 1
        assert defaults[0]


@pytest.mark.parametrize("setting", [None, "da"])
def test_a_bench_file_that_is_not_there_is_named_before_anything_else(setting: str | None) -> None:
    with pytest.raises(DataNotFound, match=r"There is no bench file .*nowhere\.toml\. "):
        resolve_cell("nowhere.toml", setting=setting)
