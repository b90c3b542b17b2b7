"""Captions and choices as samples of mmengine.

Shapes: K negatives of a caption, X texts of an item, N tokens, H/W pixels.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from rs_adapt.datasets.captions.lexicon import read_lexicon
from rs_adapt.datasets.captions.listing import item_name, list_items, list_records
from rs_adapt.datasets.captions.negatives import check_negatives, load_maker, make_negatives, sample_draws
from rs_adapt.datasets.captions.pictures import read_square
from rs_adapt.datasets.captions.records import CaptionRecord
from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.spreading import evenly_spread
from rs_adapt.errors import ConfigError, DataError
from rs_adapt.language.tokenizer import CONTEXT, ClipTokenizer
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.ranges import COUNT, COUNT_OR_0, check_ranges
from rs_adapt.registry import DATASETS

LongCaptions = Literal["refuse", "cut"]
_AT_ONCE = 4096


@DATASETS.register_module()
class CaptionDataset(Dataset[Sample]):
    """Images with a caption and K negatives each.

    Negatives are those of the data where it has any; otherwise they are made by rule (`make_negatives`) or by a
    function of yours, from the seed and the sample's key, so every epoch and every machine has the same. All texts are
    looked at once before training, so that nothing fails in the middle of a run.

    Attributes:
        metainfo: `classes` and `palette` are None: captions have no classes.

    Args:
        name: Name of the set, for messages.
        source: A list (.csv, .tsv, .jsonl), a tar, or a folder of tars; see `read_list` and `read_shards`.
        img_dir: Folder of the images of a list; tars hold their own.
        ann_dir: None; accepted because every data set has it.
        img_suffix: Empty; accepted likewise.
        negatives: Number of negatives K, 0 or more.
        size_px: Side of the square that the model sees.
        seed: Seed of the negatives.
        negative_maker: `module:function`, decorated with `negative_maker`; None for the rules.
        lexicon: File of the words that the rules know; None for those of the package.
        long_captions: What becomes of a text with more than 77 tokens: "refuse", or "cut", as CLIP's own code does.

    Raises:
        ConfigError: A setting is not usable.
        DataNotFound: A file is missing.
        DataError: A file is damaged, a caption or its negatives are missing, or a text is too long.
    """

    def __init__(
        self,
        *,
        name: str,
        source: str | Path,
        img_dir: str | Path,
        size_px: int,
        ann_dir: None = None,
        img_suffix: str = "",
        negatives: int = 4,
        seed: int = 0,
        negative_maker: str | None = None,
        lexicon: str | Path | None = None,
        long_captions: LongCaptions = "refuse",
    ) -> None:
        check_ranges(name, size_px=(size_px, COUNT), negatives=(negatives, COUNT_OR_0), seed=(seed, COUNT_OR_0))
        if long_captions not in ("refuse", "cut"):
            raise ConfigError(f"captions.long_captions is {long_captions!r}. Allowed: refuse, cut.")
        self.name, self.size_px, self.negatives, self.seed = name, size_px, negatives, seed
        self.metainfo: dict[str, object] = {"classes": None, "palette": None}
        self.records = list_records(Path(source), Path(img_dir))
        self._maker = None if negative_maker is None else load_maker(negative_maker)
        self._lexicon = read_lexicon(None if lexicon is None else Path(lexicon))
        self._tokenizer = ClipTokenizer()
        self._check_texts(refuse_long=long_captions == "refuse")

    def __len__(self) -> int:
        """Return the number of captions."""
        return len(self.records)

    def texts(self, index: int) -> tuple[str, ...]:
        """Return a caption and its K negatives."""
        record = self.records[index]
        if not self.negatives:
            return (record.caption,)
        given = record.negatives
        if given is None:
            draw = sample_draws(self.seed, record.key)
            if self._maker is None:
                given = self._rules(record, draw)
            else:
                given = tuple(self._maker(record.caption, self.negatives, draw))
        return record.caption, *check_negatives(record.caption, given, self.negatives, place=record.place)

    def __getitem__(self, index: int) -> Sample:
        """Load an image and its texts; the square is drawn from `random`, which `DomainStream` seeds.

        Returns:
            `inputs` (3, H, W) uint8 BGR and `data_samples`: a `SegDataSample` with `text` (N,) and `neg_text` (K, N),
            int64, and, as meta fact, `img_path`.

        Raises:
            DataNotFound: The image is missing.
            DataError: The image cannot be read; names the file.
        """
        record = self.records[index]
        ids_TN = self._tokenizer(self.texts(index)).ids_TN
        sample = SegDataSample()
        sample.set_field(ids_TN[0], "text")
        sample.set_field(ids_TN[1:], "neg_text")
        draw = random.Random(random.getrandbits(64))
        inputs = to_inputs(read_square(record.image, self.size_px, crop=draw), sample, name=str(record.image))
        return {"inputs": inputs, "data_samples": sample}

    def _rules(self, record: CaptionRecord, draw: random.Random) -> tuple[str, ...]:
        try:
            return tuple(make_negatives(record.caption, self.negatives, draw, lexicon=self._lexicon))
        except DataError as failure:
            raise DataError(f"{record.place}: {failure}") from failure

    def _check_texts(self, *, refuse_long: bool) -> None:
        for start in range(0, len(self), _AT_ONCE):
            owners = [(i, text) for i in range(start, min(start + _AT_ONCE, len(self))) for text in self.texts(i)]
            ids_TN, cut = self._tokenizer([text for _, text in owners])
            for position in cut:
                number, text = owners[position]
                place = f"{self.records[number].place}: the text {text[:60]!r} has more than {CONTEXT} tokens"
                if refuse_long:
                    raise DataError(
                        f"{place}, and CLIP reads no more. Shorten it, or set captions.long_captions=cut to lose the "
                        "ends of such texts."
                    )
                first = position - position % (1 + self.negatives)
                if position != first and torch.equal(ids_TN[position], ids_TN[first]):
                    raise DataError(f"{place}, and without its end it equals its caption: shorten both.")


@DATASETS.register_module()
class ChoiceDataset(Dataset[Sample]):
    """Items of benchmarks of composition, each an image with its texts; the class of an item is its kind.

    Args:
        name: Name of the set, for messages.
        choices: The benchmarks, as `list_items` takes them.
        img_dir: Folder of the images, unless a benchmark names its own.
        classes: The kinds in index order, then `wrong`.
        size_px: Side of the square that the model sees.
        ann_dir: None; accepted because every data set has it.
        img_suffix: Empty; accepted likewise.
        spread: Keep at most so many items, 1 or more, spread evenly; None keeps all.

    Raises:
        DataNotFound: A file or an image is missing.
        DataError: A file is damaged, or an item is of none of the classes.
    """

    reduce_zero_label = False
    ignore_index = 255

    def __init__(
        self,
        *,
        name: str,
        choices: Sequence[Mapping[str, Any]],
        img_dir: str | Path,
        classes: Sequence[str],
        size_px: int,
        ann_dir: None = None,
        img_suffix: str = "",
        spread: int | None = None,
    ) -> None:
        check_ranges(name, size_px=(size_px, COUNT))
        self.name, self.size_px, self.classes = name, size_px, tuple(classes)
        self._img_dir = Path(img_dir)
        self.items, self.left_out = list_items(choices, self._img_dir)
        if spread is not None:
            check_ranges(name, spread=(spread, COUNT))
            self.items = [self.items[index] for index in evenly_spread(len(self.items), spread)]
        if unknown := sorted({item.kind for item in self.items} - set(self.classes)):
            raise DataError(
                f"{name}: items of the kind {unknown[0]!r} belong to no class of the bench: "
                f"{', '.join(self.classes)}. Add it to the kinds of the bench."
            )
        self.metainfo: dict[str, object] = {"classes": list(self.classes), "palette": None}
        self.tokenize = ClipTokenizer()

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.items)

    def __getitem__(self, index: int) -> Sample:
        """Load an item.

        Returns:
            `inputs` (3, H, W) uint8 BGR and `data_samples`: a `SegDataSample` with `texts` (X, N), int64, the true one
            first, the number of the kind as `gt_sem_seg` (1, 1, 1), and the meta facts `img_path` (unique to the item)
            and `kind`.

        Raises:
            DataNotFound: The image is missing.
            DataError: The image cannot be read; names the file.
        """
        item = self.items[index]
        kind = self.classes.index(item.kind)
        sample = SegDataSample(gt_sem_seg=PixelData(data=torch.full((1, 1, 1), kind, dtype=torch.int64)))
        sample.set_field(self.tokenize(item.texts).ids_TN, "texts")
        sample.set_metainfo({"kind": kind})
        inputs = to_inputs(read_square(item.image, self.size_px), sample, name=str(self._img_dir / item_name(item)))
        return {"inputs": inputs, "data_samples": sample}


def describe_cut(dataset: ChoiceDataset) -> str | None:
    """Return a sentence on items whose texts are longer than CLIP reads; None if there are none.

    Raises:
        DataError: Without its end a false text equals the true one, so that the item cannot be solved.
    """
    number = 0
    for item in dataset.items:
        ids_TN, cut = dataset.tokenize(item.texts)
        if not cut:
            continue
        number += 1
        if any(torch.equal(ids_TN[0], ids_TN[other]) for other in range(1, len(ids_TN))):
            raise DataError(
                f"{dataset.name}: a false text of {item_name(item)} equals the true one within the {CONTEXT} tokens "
                "that CLIP reads: shorten both, or leave the item out."
            )
    if not number:
        return None
    return f"{dataset.name}: {number} items have texts of more than {CONTEXT} tokens, whose ends are not read."


def check_images(dataset: CaptionDataset | ChoiceDataset, on_progress: OnProgress = no_progress) -> None:
    """Open every image of a set once.

    Args:
        dataset: The set.
        on_progress: Receives the images that are done.

    Raises:
        DataNotFound: An image is missing.
        DataError: An image cannot be read; names the file.
    """
    entries = dataset.records if isinstance(dataset, CaptionDataset) else dataset.items
    places = list(dict.fromkeys(entry.image for entry in entries))
    for done, place in enumerate(places, start=1):
        read_square(place, dataset.size_px)
        on_progress(f"checking {dataset.name}", done, len(places))


def to_inputs(rgb_HW3: NDArray[np.uint8], sample: SegDataSample, *, name: str) -> Tensor:
    """Return an RGB image as every data set here gives it, (3, H, W) uint8 BGR, and note its name and size."""
    sample.set_metainfo({"img_path": name, "img_shape": rgb_HW3.shape[:2], "ori_shape": rgb_HW3.shape[:2]})
    return torch.from_numpy(np.ascontiguousarray(rgb_HW3[..., ::-1].transpose(2, 0, 1)))
