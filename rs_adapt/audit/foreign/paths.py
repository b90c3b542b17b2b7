"""Names in paths and keys of a configuration: the split and the region that a folder or a list of names belongs to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from typing import Literal

Split = Literal["train", "val", "test"]

# A word of one or several splits: `train`, `validation`, `trainval`, `trainvaltest`.
_SPLITS = re.compile(r"(?:train(?:ing)?|val(?:id(?:ation)?)?|test(?:ing)?)+")
_ONE_SPLIT = re.compile(r"train|val|test")
# Words that name a kind of file or a part of a data set, not a region.
_KIND = set("dir dirs ann anns annotation annotations label labels mask masks gt seg segs".split())
_KIND |= set("area areas scene scenes block blocks sheet sheets fold folds".split())
_KIND |= set("img imgs image images png jpg jpeg tif tiff patch patches tile tiles crop crops chip chips".split())
# The same beside the name of a split (`train_aug`, `all_train_small`), and in the name of a list (`fold1.txt`).
_BESIDE = set("aug augmented augmentation set sets split splits subset data dataset small mini full all clean".split())
_BESIDE |= set("resized cropped extra new final sub random rand shuffled part half quarter".split())
_OF_LISTS = _KIND | _BESIDE | set("txt csv json lst list lists file files name names id ids index".split())
_OF_LISTS |= set("labeled labelled unlabeled unlabelled".split())


def words(text: str) -> list[str]:
    """Return the words of a name in lower case, numbers apart: `targetData1` is target, data, 1."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    return re.findall(r"[^\W\d_]+|\d+", parted.lower())


def splits_of(name: str) -> set[Split]:
    """Return the splits that a file's or folder's name says, such as train and val of `train_val_512`."""
    found: set[Split] = set()
    for word in words(name):
        if _SPLITS.fullmatch(word):
            found.update(split for split in ("train", "val", "test") if split in _ONE_SPLIT.findall(word))
    return found


def splits_of_folders(path: str) -> set[Split]:
    """Return the splits that the folders of a path are named by, each with all of its name: `img/train_val`."""
    found: set[Split] = set()
    for part in path.split("/"):
        letters = [word for word in words(part) if not word.isdecimal()]
        if letters and _SPLITS.fullmatch("".join(letters)):
            found |= splits_of(part)
    return found


def home(path: str) -> str:
    """Return the region that a folder of images belongs to: its path without the words of splits and kinds of files."""
    return "/".join(filter(None, map(_region, path.split("/"))))


def home_of_list(path: str) -> str:
    """Return the region in the name of a list, such as `urban` of `splits/urban_train.txt`; mostly empty.

    Numbers are folds and shares here.
    """
    stem = posixpath.basename(path)
    return "_".join(word for word in words(stem) if not (word.isdecimal() or word in _OF_LISTS or _is_split(word)))


def related(homes: Iterable[str], others: Iterable[str]) -> bool:
    """Return whether a region of the one is one of the others, or lies in one of them, or one of them in it."""
    others = list(others)
    return any(one == other or inside(one, other) or inside(other, one) for one in homes for other in others)


def inside(path: str, folder: str) -> bool:
    """Return whether a path lies in a folder, at any depth; a folder does not lie in itself."""
    return path.startswith(f"{folder.rstrip('/')}/")


def _region(part: str) -> str:
    names = words(part)
    named = any(_is_split(word) for word in names)
    # Beside a split or a kind of file, a number is a size, a year or a part of the same set.
    plain = named or any(word in _KIND for word in names)
    skipped = _KIND | _BESIDE if named else _KIND
    return "_".join(word for word in names if not (_is_split(word) or word in skipped or (plain and word.isdecimal())))


def _is_split(word: str) -> bool:
    return _SPLITS.fullmatch(word) is not None
