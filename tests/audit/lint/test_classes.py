"""Classes in another order, bands and sizes that are not those of the tiles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.config import paths
from rs_adapt.datasets.originals import prepare_originals


def test_a_class_list_in_a_different_order_is_an_error(lint_cell) -> None:
    swapped = "['background', 'road', 'building', 'water', 'barren', 'forest', 'agricultural']"
    found = lint_cell("loveda-da", f"bench.classes={swapped}").only("class-list")
    assert (found.level, found.key) == ("error", "bench.classes")
    assert found.found == "label value 2 is road here and building in data/loveda.toml"
    assert "wrong class names" in found.consequence


def test_a_class_list_that_the_file_of_a_family_orders_differently_is_an_error(
    lint_cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(paths.configs_dir(), tmp_path / "configs")
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(own))
    file = own / "bench" / "casid.py"
    file.write_text(file.read_text().replace('"forest", "road"', '"road", "forest"'))
    found = lint_cell("casid-dg", direction="tms2sub").only("class-list")
    assert (found.level, found.file) == ("error", "configs/bench/casid.py")


def test_class_lists_of_source_and_target_are_compared_with_their_own_data_sets(lint_cell) -> None:
    names = {"backbone": "nano_clip", "head": "cost_small"}
    found = lint_cell("ovrsis-ov", direction="isaid", **names)
    assert not [one for one in found if one.level == "error"]
    swapped = "['building', 'vegetation', 'road', 'vehicle', 'other']"
    wrong = lint_cell("ovrsis-ov", f"bench.target.classes={swapped}", direction="udd5", **names).only("class-list")
    assert wrong.found == "label value 1 is building here and vegetation in data/udd5.toml"


@pytest.mark.parametrize("evaluator", ["val_evaluator", "test_evaluator"])
def test_a_class_list_that_one_place_orders_differently_is_an_error(make_run, lint_path, evaluator: str) -> None:
    run = make_run()
    text = (run / "config.py").read_text()
    start = text.index(f"\n{evaluator} = dict(")
    (run / "config.py").write_text(text[:start] + text[start:].replace("'building', 'road'", "'road', 'building'", 1))
    found = lint_path(run).only("class-list")
    assert (found.level, found.key) == ("error", f"{evaluator}.classes")


def test_a_class_list_that_a_data_set_orders_differently_is_an_error(make_run, lint_path) -> None:
    run = make_run()
    text = (run / "config.py").read_text()
    start = text.index("\nval_dataloader = dict(")
    (run / "config.py").write_text(text[:start] + text[start:].replace("'building', 'road'", "'road', 'building'", 1))
    assert lint_path(run).only("class-list").key == "val_dataloader.dataset.classes"


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("num_classes=7", "num_classes=6", "model.decode_head.num_classes"),
        ("data='loveda',", "data='vaihingen',", "bench.classes"),
    ],
)
def test_numbers_and_manifests_that_do_not_fit_are_found(
    make_run, lint_path, edit, old: str, new: str, key: str
) -> None:
    run = make_run()
    line = edit(run / "config.py", old, new)
    found = lint_path(run).only("class-list")
    assert found.key == key
    if key.startswith("model"):
        assert found.line == line


def test_shifted_label_values_are_found(lint_cell) -> None:
    found = [one for one in lint_cell("loveda-da", "bench.reduce_zero_label=false") if one.rule == "class-list"]
    assert [one.found for one in found] == ["label value 0 is background here and no class in data/loveda.toml"]


def test_a_pack_with_other_classes_is_found(make_run, lint_path) -> None:
    run = make_run()
    cell = json.loads((run / "cell.json").read_text())["cell"]
    manifest = {"cell": cell, "overrides": [], "base": {"name": "b", "sha256": "0"}, "classes": ["a", "b"]}
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert "but the run's pack has a, b" in lint_path(run).only("class-list").found


def test_bands_of_the_folder_differ_from_those_of_the_region(lint_cell) -> None:
    found = lint_cell("isprs-da", "bench.source.bands=IRRG").only("band-order")
    assert (found.level, found.key) == ("error", "bench.source.bands")
    assert found.found == "IRRG, but data/potsdam.toml states RGB for potsdam/img_dir/train"


def test_a_folder_of_a_different_variant_is_found(make_run, lint_path) -> None:
    run = make_run(bench="isprs-dg")
    text = (run / "config.py").read_text()
    start = text.index("labelled=dict(")
    inner = text[start:].replace("/potsdam/img_dir/train", "/potsdam_irrg/img_dir/train", 1)
    (run / "config.py").write_text(text[:start] + inner)
    found = [one for one in lint_path(run) if one.rule == "band-order" and one.level == "error"]
    assert [one.found for one in found] == [
        "RGB, but data/potsdam_irrg.toml states IRRG for potsdam_irrg/img_dir/train".replace("_irrg.toml", ".toml")
    ]


def test_bands_that_were_prepared_are_read_from_the_record(lint_cell, write_originals, tmp_path: Path) -> None:
    write_originals("potsdam_irrg", tmp_path / "s", ["2_10", "7_13"])
    prepare_originals("potsdam_irrg", tmp_path / "s", tmp_path / "data", tile_px=16, jobs=1, partial=True)
    # IRRG tiles under the name of the RGB ones.
    shutil.move(tmp_path / "data" / "potsdam_irrg", tmp_path / "data" / "potsdam")
    found = [one for one in lint_cell("isprs-da", data_root=tmp_path / "data") if one.rule == "band-order"]
    assert found[0].level == "error"
    assert found[0].found == "RGB, but potsdam/prepared.json states IRRG for potsdam/img_dir/train"


def test_scored_tiles_that_are_shrunk(lint_cell) -> None:
    found = lint_cell("isaid-ss", "bench.inference.resize_px=512")
    shrunk = found.only("inference-mode")
    assert (shrunk.level, shrunk.key) == ("warning", "test_dataloader.dataset.pipeline.1.scale")
    assert shrunk.found == "tiles of 896 px are shrunk to 512 px before they are predicted"


def test_the_size_of_tiles_is_read_from_disk(lint_cell, loveda_tiles: Path) -> None:
    path = next((loveda_tiles / "loveda/urban/val/img_dir").iterdir())
    for kind in ("img_dir", "ann_dir"):
        file = path.parents[1] / kind / path.name
        Image.fromarray(np.asarray(Image.open(file)).repeat(10, 0).repeat(10, 1)).save(file)
    found = lint_cell("loveda-da", data_root=loveda_tiles).only("inference-mode")
    assert found.found == "tiles of 640 px are shrunk to 512 px before they are predicted"


@pytest.mark.parametrize(
    ("old", "new", "level", "key"),
    [
        ("mode='slide', crop_size=(512, 512), stride=(341, 341)", "mode='whole'", "warning", "model.test_cfg.mode"),
        ("stride=(341, 341)", "stride=(600, 600)", "error", "model.test_cfg.stride"),
        ("crop_size=(512, 512), stride", "crop_size=(400, 400), stride", "warning", "model.test_cfg.crop_size"),
    ],
)
def test_windows_that_are_not_as_stated(make_run, lint_path, edit, old: str, new: str, level: str, key: str) -> None:
    run = make_run()
    edit(run / "config.py", old, new)
    found = [one for one in lint_path(run) if one.rule == "inference-mode"]
    assert (level, key) in [(one.level, one.key) for one in found]


def test_a_mean_over_other_classes_than_the_protocols(make_run, lint_path, edit) -> None:
    run = make_run(bench="isprs-da")
    text = (run / "config.py").read_text()
    start = text.index("\ntest_evaluator = dict(")
    (run / "config.py").write_text(text[:start] + text[start:].replace("scored='all'", "scored='no-clutter'", 1))
    found = lint_path(run).only("class-list")
    assert (found.level, found.key) == ("error", "test_evaluator.scored")
    whole = make_run("protocol.classes=no-clutter", name="other", bench="isprs-da")
    assert lint_path(whole).serious == [("warning", "deviates-from-protocol")]
