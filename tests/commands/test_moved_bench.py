"""A run on a bench of one's own that was moved, with its data and its cache folder, as to another machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from own_benches import draw, write_bench, write_scene

from rs_adapt.commands import main
from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.own import bench as own_bench
from rs_adapt.datasets.prepare import ensure_prepared
from rs_adapt.errors import DataNotFound

if TYPE_CHECKING:
    pass

LABELS = 'path = "labels"'
TARGET = 'images = "tgt"\nval_share = 0.5\n[target.labels]\npath = "tgt_labels"\n'
TARGET += "[target.labels.classes]\nfield = [0]\nroof = [1]"
HEAD = 'crop_px = 32\n[train]\nbackbone = "dinov2_nano"\nhead = "linear"\nmethod = "bitfit"\niters = 2\nbatch_size = 1'


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """Write a bench with labels in both regions below `data`, and return its file."""
    data = tmp_path / "data"
    for number in range(3):
        write_scene(data / "src" / f"s{number}.tif", data / "labels" / f"s{number}.png", draw(64, 64, seed=number))
    for number in range(4):
        write_scene(
            data / "tgt" / f"t{number}.tif", data / "tgt_labels" / f"t{number}.png", draw(64, 64, seed=9 + number)
        )
    file = write_bench(data, 'images = "src"', LABELS, target=TARGET)
    text = file.read_text()
    # `[train]` has to stand behind the keys at the top.
    file.write_text(text.replace("tile_px = 32\n", "tile_px = 32\ncrop_px = 32\n") + HEAD.partition("\n")[2] + "\n")
    return file


def test_the_content_of_a_pack_is_composed_without_its_folders(bench: Path, tmp_path: Path) -> None:
    content = own_bench.peek(str(bench))["bench"]["own"]
    bench.parent.rename(tmp_path / "moved")
    with pytest.raises(DataNotFound, match=r"source.images names"):
        own_bench.bench_content(content, bench)
    saved = own_bench.save_content(content)
    cfg = compose(resolve_cell(saved, setting="dg"))
    assert list(cfg.bench.classes) == ["field", "roof"]
    with pytest.raises(DataNotFound, match=r"There is no .*src, which the bench mine names.* --bench BENCH.toml"):
        ensure_prepared(
            prepare=cfg.bench.prepare.to_dict(),
            bench=cfg.bench.to_dict(),
            data_root=tmp_path,
            out_dir=Path(cfg.prepared_dir),
        )


def test_prepared_tiles_are_used_where_the_scenes_are_gone(bench: Path, tmp_path: Path) -> None:
    content = own_bench.peek(str(bench))["bench"]
    arguments: dict[str, Any] = {"prepare": content["prepare"], "bench": content, "data_root": tmp_path}
    out = tmp_path / "prepared"
    ensure_prepared(**arguments, out_dir=out)
    before = {file: file.read_bytes() for file in out.rglob("*.png")}
    shutil.rmtree(bench.parent / "src")
    ensure_prepared(**arguments, out_dir=out)
    assert {file: file.read_bytes() for file in out.rglob("*.png")} == before
    changed = content["prepare"] | {"stride_px": 16}
    with pytest.raises(DataNotFound, match="its tiles are not prepared here"):
        ensure_prepared(**arguments | {"prepare": changed}, out_dir=out)


@pytest.mark.slow
def test_a_moved_run_is_read_exported_inspected_and_scored(
    bench: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    training = ("--setting", "dg", "--num-workers", "0", "--device", "cpu", "--work-dir", tmp_path / "first")
    code, _, err = call("train", "--bench", bench, *training)
    assert code == 0, err
    there = tmp_path / "there"
    there.mkdir()
    run = Path(shutil.move(tmp_path / "first", there / "run"))
    scenes = Path(shutil.move(bench.parent, there / "scenes"))
    monkeypatch.setenv("RS_ADAPT_HOME", str(there / "home"))

    for arguments in (
        ("score", run),
        ("report", run, "--out", there / "report"),
        ("verify", run),
        ("export", run, "--out", there / "pack"),
        ("export", run, "--merge", "--out", there / "merged"),
        ("inspect", run, "--image", scenes / "tgt" / "t0.tif", "--out", there / "inside"),
    ):
        code, out, err = call(*arguments)
        assert code == 0, (arguments, out, err)

    code, _, err = call("eval", run, "--device", "cpu")
    assert code == 2
    assert "There is no " in err
    assert "--bench BENCH.toml" in err

    result = json.loads((run / "result.json").read_text())
    for model in (run, there / "pack"):
        code, out, err = call("eval", model, "--bench", scenes / "bench.toml", "--device", "cpu", "--out", there / "e")
        assert code == 0, err
        assert json.loads((there / "e" / "result.json").read_text())["miou_pct"] == result["miou_pct"]
        assert ("Agrees with the stored result: mIoU " in out) == (model == run)
        shutil.rmtree(there / "e")

    # The scenes of the source are not read where the target is scored.
    shutil.rmtree(scenes / "src")
    monkeypatch.setenv("RS_ADAPT_HOME", str(there / "other_home"))
    code, out, err = call("eval", run, "--bench", scenes / "bench.toml", "--device", "cpu", "--out", there / "e")
    assert code == 0, err
    assert json.loads((there / "e" / "result.json").read_text())["miou_pct"] == result["miou_pct"]
    code, _, err = call("eval", run, "--bench", scenes / "bench.toml", "--split", "source-val", "--device", "cpu")
    assert code == 2
    assert f"There is no {scenes / 'src'}" in err
