"""`rs-adapt train` on data and weights that cannot be used: named, and found before anything is written."""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from rs_adapt.backbones import Dinov2
from rs_adapt.config import paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Train = Callable[..., tuple[Any, str, str]] if TYPE_CHECKING else Any


def change_label(root: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = root / "loveda" / "rural" / "train" / "ann_dir" / name
    label = np.asarray(Image.open(path))
    Image.fromarray(change(label)).save(path)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def outside(label: np.ndarray) -> np.ndarray:
    return np.where(np.arange(64) == 3, 9, label).astype(np.uint8)


DEFECTS = {
    "no folder": (
        lambda root: (root / "loveda").rename(root / "other"),
        r"loveda/rural/train: the folder of images .*loveda/rural/train/img_dir does not exist\. HOW_TO_GET",
    ),
    "no label": (
        lambda root: (root / "loveda/rural/train/ann_dir/2.png").unlink(),
        r"1 image\(s\) without label, first .*rural/train/ann_dir/2\.png is missing",
    ),
    "no image": (
        lambda root: (root / "loveda/urban/val/img_dir/1.png").unlink(),
        r"1 label\(s\) without image, first .*urban/val/img_dir/1\.png is missing",
    ),
    "wrong value": (
        lambda root: change_label(root, "1.png", outside),
        r"label value 9 \(64 pixels\) in .*rural/train/ann_dir/1\.png is outside .*Allowed are 0-7 and 255: 0 ig",
    ),
    "size": (
        lambda root: change_label(root, "3.png", lambda label: label[:, :48]),
        r"size mismatch, .*img_dir/3\.png is 64x64 px but its label .*ann_dir/3\.png is 48x64 px",
    ),
    "truncated source": (
        lambda root: cut_off(root / "loveda/rural/train/img_dir/0.png"),
        r"cannot read .*rural/train/img_dir/0\.png: .*damaged or cut off",
    ),
    "truncated target": (
        lambda root: cut_off(root / "loveda/urban/train/img_dir/3.png"),
        r"cannot read .*urban/train/img_dir/3\.png: .*damaged or cut off",
    ),
    "16 bit": (
        lambda root: Image.fromarray(np.full((64, 64), 4000, np.uint16)).save(root / "loveda/urban/val/img_dir/0.png"),
        r"image .*urban/val/img_dir/0\.png is not 8-bit \(uint16\)",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_bad_data_are_named_before_anything_is_written(
    train: Train, loveda_root: Path, tmp_path: Path, defect: str
) -> None:
    spoil, message = DEFECTS[defect]
    spoil(loveda_root)
    code, out, err = train()
    assert (code, out) == (2, "")
    message = message.replace("HOW_TO_GET", re.escape(paths.how_to_get("loveda")))
    assert re.search(rf"^error: .*{message}", err, re.MULTILINE)
    assert not (tmp_path / "run").exists()


def test_error_of_missing_weights_names_their_source(train: Train, tmp_path: Path, own_home: Path) -> None:
    facts = ("dinov2_vitl14_pretrain.pth", "1217586395 bytes", "sha256 d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd5")
    for extra in ((), ("--dry-run",)):
        code, out, err = train("--backbone", "dinov2-l", *extra)
        assert (code, out) == (2, "")
        assert err.startswith(f"error: Base weights not found: looked for {own_home}/weights/{facts[0]}\n")
        assert all(fact in err for fact in facts)
        assert "\n  rs-adapt weights fetch dinov2-l\n" in err
    assert not (tmp_path / "run").exists()


class Bomb:
    """Pickles to a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.path), "w"))


def another_size(path: Path, harm: Path) -> None:
    vit = Dinov2(
        embed_dim=96, depth=6, num_heads=3, patch_px=8, image_px=128, out_layers=[1, 2, 4, 5], level_scales=[2, 1, 1, 1]
    )
    save_file({name: value.detach() for name, value in vit.named_parameters()}, path)


def half_a_file(path: Path, harm: Path) -> None:
    save_file({"embeddings.cls_token": torch.zeros(1, 1, 192)}, path)
    path.write_bytes(path.read_bytes()[:-100])


def code_in_a_state(path: Path, harm: Path) -> None:
    torch.save({"model": Bomb(harm)}, path)


def code_in_a_pickle(path: Path, harm: Path) -> None:
    path.write_bytes(pickle.dumps(Bomb(harm), protocol=2))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (another_size, r"holds weights of a ViT \(width 96, depth 6\), but dinov2_nano needs width 192, depth 6"),
        (half_a_file, r"cannot be read as PyTorch or safetensors weights: truncated or a different kind of file"),
        (code_in_a_state, r"contains Python objects other than tensors \(io\.open\); it was refused and nothing in it"),
        (
            code_in_a_pickle,
            r"contains Python objects other than tensors \(io\.open\); it was refused and nothing in it",
        ),
    ],
)
def test_wrong_weights_are_refused_before_anything_is_written(
    train: Train, tmp_path: Path, write: Callable[[Path, Path], None], message: str
) -> None:
    write(tmp_path / "weights.bin", tmp_path / "harm")
    code, out, err = train("--weights", str(tmp_path / "weights.bin"))
    assert (code, out) == (2, "")
    assert re.match(rf"error: .*weights\.bin.*{message}", err)
    assert not (tmp_path / "harm").exists()
    assert not (tmp_path / "run").exists()
