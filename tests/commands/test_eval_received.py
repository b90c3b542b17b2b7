"""`rs-adapt eval` of what somebody sent: a pack chooses its model, and nothing is written elsewhere."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Eval = Callable[..., tuple[Any, str, str]]


def change_manifest(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    change(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "text",
    [
        "model.segmentor.decode_head.type='os.system'",
        "strategy.type=os.system",
        "custom_imports.imports=['harm']",
        "test_dataloader.dataset.pipeline=[{'type': 'os.mkdir', 'path': 'harm'}]",
        "default_scope=harm",
        "prepared_dir=/",
    ],
)
def test_a_manifest_that_chooses_code_or_folders_is_refused(evaluate: Eval, run: Path, text: str) -> None:
    change_manifest(run, lambda manifest: manifest["overrides"].append(text))
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    key = re.escape(text.partition("=")[0])
    assert re.match(rf"error: (The manifest in .*/run sets {key}: a pack must not|--set cannot change '{key}')", err)
    assert not (run / "eval").exists()


@pytest.mark.parametrize(
    "text",
    [
        "bench.prepare.image_dir=../../mine",
        "bench.prepare.label_dir=/etc",
        "bench.prepare.kind=scenes",
        "bench.prepare.regions.urban=['../../mine']",
        "bench.prepare.regions./etc/x=['tile1']",
        "bench.prepare.crops=['001', '/etc']",
        "bench.data=../../secret",
        "bench.own=1",
        "bench.target.val.img_dir=/etc",
        "bench.target.val.ann_dir=../../../etc",
        "bench.ann_suffix=/../../x.png",
        "backbone.weights.url='http://example.org/x'",
        "model.backbone.weights=/home/somebody/x.pth",
        "test_dataloader.dataset.img_dir=/etc",
        "runtime.other=1",
        "data_preprocessor=1",
    ],
)
def test_a_manifest_chooses_nothing_but_model_classes_and_preprocessing(evaluate: Eval, run: Path, text: str) -> None:
    change_manifest(run, lambda manifest: manifest["overrides"].append(text))
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    key = re.escape(text.partition("=")[0])
    assert re.match(rf"error: The manifest in .*/run sets {key}: a pack must not choose .* anything but its model", err)
    assert not (run / "eval").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bench.name=/tmp/elsewhere", "bench.name is '/tmp/elsewhere', which holds /"),
        ("bench.name=../../../x", "bench.name is '../../../x', which holds /"),
        ("bench.name=..", "bench.name is '..', which begins or ends"),
        ("bench.tile_px=1000000", "bench.tile_px is 1000000; it must be 16384 or smaller"),
        ("model.backbone.depth=1000000", "model.backbone.depth is 1000000; it must be 256 or smaller"),
        ("model.backbone.adapter.rank=1000000000", "model.backbone.adapter.rank is 1000000000; it must be 1000000"),
        ("model.backbone.adapter.rank=1000000", "describes a model of .* GiB, but its files"),
        ("model.backbone.embed_dim=12288", "describes a model of .* GiB, but its files"),
        ("test_dataloader.num_workers=5000", "test_dataloader.num_workers is 5000; it must be 256 or smaller"),
        ("test_dataloader.batch_size=1000000", "test_dataloader.batch_size is 1000000; it must be 4096 or smaller"),
    ],
)
def test_names_and_sizes_of_a_manifest_have_bounds(evaluate: Eval, run: Path, text: str, message: str) -> None:
    before = sorted(run.parent.rglob("*"))
    change_manifest(run, lambda manifest: manifest["overrides"].append(text))
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    assert re.search(message, err), err
    assert sorted(run.parent.rglob("*")) == before


def test_a_manifest_cannot_name_a_config_file_of_its_own(evaluate: Eval, run: Path) -> None:
    harm = run / "evil.py"
    harm.write_text("open(__file__ + '.ran', 'w').close()\nhead = dict(name='evil')\n")
    change_manifest(run, lambda manifest: manifest["cell"].update(head=str(harm.with_suffix(""))))
    code, _, err = evaluate()
    assert code == 2
    assert re.match(r"error: The manifest in .*/run describes no cell: There is no head '.*evil'", err)
    assert not (run / "evil.py.ran").exists()


@pytest.mark.parametrize("place", ["eval", "eval/loveda_r2u-test", "eval/loveda_r2u-test/confusion.png"])
def test_a_link_in_a_received_run_folder_is_not_followed(evaluate: Eval, run: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "file").write_text("mine")
    (run / place).parent.mkdir(parents=True, exist_ok=True)
    (run / place).symlink_to(tmp_path / "private" / ("file" if place.endswith("png") else ""))
    code, out, err = evaluate()
    assert (code, out) == (2, "")
    assert re.search(rf"^error: .*/run/{place} is a link to .*private", err, re.MULTILINE)
    assert [path.name for path in (tmp_path / "private").iterdir()] == ["file"]
    assert (tmp_path / "private" / "file").read_text() == "mine"
