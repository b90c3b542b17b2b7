"""Names and relative paths that lead out of their folder are refused, those in use are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rs_adapt.config import axes, paths
from rs_adapt.config.bench_names import settings_of
from rs_adapt.config.cell import default_run_dir, resolve
from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.path_names import path_below, path_name
from rs_adapt.runs.records import SweepCellRecord
from rs_adapt.runs.records.result import SelectedCheckpoint
from rs_adapt.validation import parse_as


@pytest.mark.parametrize("name", ["loveda_r2u", "lora+earth_adapter", "peft-dora", "dinov2_l-mask2former", "Ä 1"])
def test_names_in_use_pass(name: str) -> None:
    assert path_name(name, what="it") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/b",
        "a\\b",
        "C:x",
        "~x",
        "-x",
        ".x",
        "a\nb",
        "a\x1bb",
        "a\0b",
        "x" * 151,
        "x.",
        "a\u202eb",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^bench.family is .*, which "):
        path_name(name, what="bench.family")


@given(st.text())
def test_a_name_that_passes_is_one_part_of_a_path(name: str) -> None:
    try:
        path_name(name, what="it")
    except ConfigError:
        return
    assert (Path("folder") / name).resolve().parent == Path("folder").resolve()


@given(st.text(alphabet="ab./\\~:", max_size=12))
def test_a_relative_path_that_passes_stays_below(relative: str) -> None:
    try:
        place = path_below(Path("folder"), relative, what="it", error=UnreadableFile)
    except UnreadableFile:
        return
    assert Path("folder").resolve() in (place.resolve(), *place.resolve().parents)


def test_every_shipped_cell_has_a_folder() -> None:
    for bench in axes.values("bench"):
        for setting in settings_of(bench):
            method = "peft:dora" if "task" not in axes.bench_facts(bench) else None
            folder = default_run_dir(resolve(f"{bench}_{setting}", method=method, tuned=False))
            assert len(folder.parts) == 7


def test_family_manifest_and_weights_name_no_other_folder() -> None:
    bench = {**axes.bench_facts("synthetic"), "family": "../../../x/tiles"}
    with pytest.raises(ConfigError, match=r"bench\.family is '\.\./\.\./\.\./x/tiles', which holds /"):
        paths.prepared_dir(bench, "data")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"bench\.data is '\.\./x'"):
        paths.how_to_get("../x")
    with pytest.raises(ConfigError, match=r"backbone\.weights\.file is '/x\.pth'"):
        paths.weights_file({"file": "/x.pth"})


def test_records_name_only_files_of_their_own_folder() -> None:
    for model, content, key in (
        (SweepCellRecord, {"log": "../../secret"}, "log"),
        (SelectedCheckpoint, {"iter": 1, "confusions": "/x.npz"}, "confusions"),
    ):
        with pytest.raises(UnreadableFile, match=rf"{key} is '.*'; it must be a path inside its folder"):
            parse_as(model, content, file="f.json", error=UnreadableFile)
