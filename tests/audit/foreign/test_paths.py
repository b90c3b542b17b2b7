from __future__ import annotations

import pytest

from rs_adapt.audit.foreign.paths import home, home_of_list, related, splits_of, splits_of_folders, words


def test_words_part_numbers_and_capitals() -> None:
    assert words("targetData1_x-2017.PNG") == ["target", "data", "1", "x", "2017", "png"]
    assert words("农村/城市") == ["农村", "城市"]


@pytest.mark.parametrize(
    ("name", "splits"),
    [("trainval.txt", {"train", "val"}), ("train+val_512", {"train", "val"}), ("validation", {"val"}),
     ("trainvaltest", {"train", "val", "test"}), ("interval", set()), ("latest", set()), ("Testing", {"test"})],
)  # fmt: skip
def test_splits_of_a_name(name: str, splits: set[str]) -> None:
    assert splits_of(name) == splits


def test_folders_are_splits_by_all_of_their_name() -> None:
    assert splits_of_folders("img/train_val/x") == {"train", "val"}
    assert splits_of_folders("rural_train/test_area") == set()


@pytest.mark.parametrize(
    ("path", "region"),
    [
        ("data/loveda/rural/train/img_dir", "data/loveda/rural"),
        ("data/flair/2021/img/val", "data/flair/2021"),
        ("d/train_aug_512", "d"),
        ("d/rural_train", "d/rural"),
        ("d/region1", "d/region_1"),
        ("d/train2017", "d"),
        ("d/fold1/area_12/img", "d"),
        ("d/urban_area/img", "d/urban"),
    ],
)
def test_the_region_of_a_folder(path: str, region: str) -> None:
    assert home(path) == region


def test_the_region_of_a_list_and_of_two_folders() -> None:
    assert home_of_list("splits/urban_train_1_4.txt") == "urban"
    assert home_of_list("fold0_train.txt") == home_of_list("1_16/unlabeled.txt") == ""
    assert related(["d/rural"], ["d"])
    assert related(["d"], ["d/rural"])
    assert not related(["d/rural"], ["d/rural2", "d/urban"])
