"""Captions and choices as samples, and how a model chooses."""

from __future__ import annotations

import json
import random
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from mmseg.structures import SegDataSample
from PIL import Image

from rs_adapt.backbones.clip import Clip
from rs_adapt.captions import CaptionHead, CaptionModel
from rs_adapt.captions.dataset import CaptionDataset, ChoiceDataset, describe_cut
from rs_adapt.datasets.captions.negatives import negative_maker
from rs_adapt.datasets.digests import digest_tiles
from rs_adapt.engine import tasks
from rs_adapt.errors import ConfigError, DataError
from rs_adapt.language import ClipTokenizer

CAPTION = "a red car left of a tall tower"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (12, 9), (250, 20, 0)).save(tmp_path / "a.png")
    (tmp_path / "x.csv").write_text(
        f'image,caption,negatives\na.png,{CAPTION},\na.png,a lake,"[""a sea"", ""a pond""]"\n'
    )
    return tmp_path


def dataset(folder: Path, **settings: Any) -> CaptionDataset:
    return CaptionDataset(name="x", source=folder / "x.csv", img_dir=folder, size_px=8, **{"negatives": 2, **settings})


def test_a_sample_has_an_image_and_tokens_of_caption_and_negatives(folder: Path) -> None:
    made, given = dataset(folder), dataset(folder).texts(1)
    assert given == ("a lake", "a sea", "a pond")
    random.seed(0)
    sample = made[0]
    assert sample["inputs"].shape == (3, 8, 8)
    assert sample["inputs"][:, 0, 0].tolist() == [0, 20, 250]
    expected = ClipTokenizer()(made.texts(0)).ids_TN
    assert torch.equal(sample["data_samples"].text, expected[0])
    assert torch.equal(sample["data_samples"].neg_text, expected[1:])
    assert sample["data_samples"].neg_text.shape == (2, 77)
    assert dataset(folder, negatives=0)[0]["data_samples"].neg_text.shape == (0, 77)


def test_negatives_depend_on_the_seed(folder: Path) -> None:
    assert dataset(folder).texts(0) == dataset(folder).texts(0) != dataset(folder, seed=1).texts(0)


def test_negatives_of_a_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("own_negatives")
    module.few = negative_maker(lambda caption, count, draw: ["a bus"])  # type: ignore[attr-defined]
    module.same = negative_maker(lambda caption, count, draw: [caption] * count)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_negatives", module)
    assert dataset(folder, negatives=1, negative_maker="own_negatives:few").texts(0) == (CAPTION, "a bus")
    with pytest.raises(DataError, match=r"x\.csv, line 2: 1 negatives .* asks for 2"):
        dataset(folder, negative_maker="own_negatives:few")
    with pytest.raises(DataError, match="equal to its caption"):
        dataset(folder, negative_maker="own_negatives:same")


def test_unusable_captions_are_named_before_training(folder: Path) -> None:
    with pytest.raises(DataError, match=r"x\.csv, line 3: 2 negatives .* asks for 3\. .*captions\.negatives=2"):
        dataset(folder, negatives=3)
    with pytest.raises(ConfigError, match="Allowed: refuse, cut"):
        dataset(folder, long_captions="keep")
    (folder / "x.csv").write_text("image,caption\na.png,zyx\n")
    with pytest.raises(DataError, match=r"x\.csv, line 2: No negative can be made"):
        dataset(folder)


def test_long_captions_are_refused_or_cut(folder: Path) -> None:
    long = " ".join(["car"] * 90)
    (folder / "x.csv").write_text(f'image,caption,negatives\na.png,{long},"[""a bus""]"\n')
    with pytest.raises(DataError, match=r"x\.csv, line 2: the text 'car car .* has more than 77 tokens"):
        dataset(folder, negatives=1)
    sample = dataset(folder, negatives=1, long_captions="cut")[0]["data_samples"]
    assert sample.text.tolist()[-1] == 49407
    (folder / "x.csv").write_text(f'image,caption,negatives\na.png,{long},"[""{long} bus""]"\n')
    with pytest.raises(DataError, match="without its end it equals its caption"):
        dataset(folder, negatives=1, long_captions="cut")


def test_a_mark_of_clip_in_a_negative_is_refused(folder: Path) -> None:
    (folder / "x.csv").write_text('image,caption,negatives\na.png,a car,"[""a <|endoftext|> bus""]"\n')
    with pytest.raises(DataError, match=r"x\.csv, line 2: the negative 'a <\|endoftext\|> bus' holds CLIP's own mark"):
        dataset(folder, negatives=1)


def test_texts_of_items_that_are_cut_are_counted_or_refused(folder: Path) -> None:
    items = choices(folder)
    assert describe_cut(items) is None
    long = " ".join(["car"] * 90)
    items.items[0] = replace(items.items[0], texts=(f"a {long}", long))
    assert describe_cut(items) == "x: 1 items have texts of more than 77 tokens, whose ends are not read."
    items.items[0] = replace(items.items[0], texts=(long, f"{long} bus"))
    with pytest.raises(DataError, match=r"a false text of swap/a\.png#0 equals the true one within the 77 tokens"):
        describe_cut(items)


def choices(folder: Path, classes: tuple[str, ...] = ("swap", "add", "wrong"), **more: Any) -> ChoiceDataset:
    items = [("swap", ["a car", "a bus"]), ("add", ["a lake", "a sea", "a pond"])]
    entries = [{"image": "a.png", "kind": kind, "texts": texts} for kind, texts in items]
    (folder / "items.json").write_text(json.dumps(entries))
    sources = [{"benchmark": "items", "source": str(folder / "items.json"), **more}]
    return ChoiceDataset(name="x", choices=sources, img_dir=folder, classes=classes, size_px=8)


def test_the_class_of_an_item_is_its_kind(folder: Path) -> None:
    sample = choices(folder)[1]["data_samples"]
    assert (sample.gt_sem_seg.data.item(), len(sample.texts)) == (1, 3)
    assert Path(sample.img_path).relative_to(folder) == Path("add/a.png#1")
    with pytest.raises(DataError, match="the kind 'add' belong to no class"):
        choices(folder, ("swap", "wrong"))
    every = choices(folder, ("all", "wrong"), kind="all")
    assert [item.key for item in every.items] == ["swap-0", "add-1"]


def test_items_can_be_limited_to_some_that_are_spread_over_them(folder: Path) -> None:
    entries = [{"image": "a.png", "kind": "swap", "texts": [f"road {n}", "river"]} for n in range(6)]
    (folder / "six.json").write_text(json.dumps(entries))
    settings: dict[str, Any] = {"img_dir": folder, "classes": ("swap",), "size_px": 8}
    settings["choices"] = [{"benchmark": "items", "source": str(folder / "six.json")}]
    assert [item.texts[0] for item in ChoiceDataset(name="x", **settings, spread=2).items] == ["road 1", "road 4"]
    assert len(ChoiceDataset(name="x", **settings, spread=9)) == 6
    with pytest.raises(ConfigError, match="spread"):
        ChoiceDataset(name="x", **settings, spread=0)


def test_digests_notice_other_texts_and_images(folder: Path) -> None:
    def digests() -> dict[str, tuple[str, ...]]:
        source = {"benchmark": "items", "source": str(folder / "items.json")}
        return {
            **digest_tiles({"choices": [source], "img_dir": str(folder)}),
            **digest_tiles({"source": str(folder / "x.csv"), "negatives": 2, "img_dir": str(folder)}),
        }

    choices(folder)
    before = digests()
    assert before.keys() == {"swap/a.png#0", "add/a.png#1", "a.png#2", "a.png#3"}
    (folder / "x.csv").write_text((folder / "x.csv").read_text().replace("a lake", "a river"))
    changed = digests()
    assert [name for name in before if before[name] != changed[name]] == ["a.png#3"]
    Image.new("RGB", (12, 9)).save(folder / "a.png")
    assert all(before[name][0] != now[0] for name, now in digests().items())


def test_a_model_chooses_the_text_that_is_nearest() -> None:
    vit = Clip(embed_dim=8, depth=1, num_heads=1, patch_px=8, image_px=8, out_layers=(0,), level_scales=(1.0,))
    head = CaptionHead(
        in_channels=[8], text_dim=4, text_width=8, text_depth=1, text_heads=1, num_tokens=20, num_classes=3
    )
    model = CaptionModel(backbone=vit, decode_head=head).eval()
    image = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, word, 19] for word in range(2, 8)])
    with torch.no_grad():
        image_1C, texts_TC = model(image, ids_TN=ids)
        order = (image_1C @ texts_TC.T)[0].argsort(descending=True)

    def choose(rows: list[int]) -> tuple[int, float]:
        sample = SegDataSample(metainfo={"kind": 1})
        sample.set_field(ids[order[rows]], "texts")
        with torch.no_grad():
            (answer,) = model(image, [sample], mode="predict")
        return int(answer.pred_sem_seg.data), float(answer.margin)

    right, wrong, equal = choose([0, 1, 2, 5]), choose([1, 0, 2]), choose([3, 3])
    assert (right[0], wrong[0]) == (1, 2)
    assert right[1] > 0 > wrong[1]
    # Two equal texts leave no choice.
    assert equal == (2, 0.0)


def test_several_processes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "rank_and_world_size", lambda: (0, 2))
    with pytest.raises(ConfigError, match="2 processes are to train on captions together"):
        tasks.check_captions(cast("Any", None))
