"""The TOML file of captions of your own (`task = "captions"`): every key with its meaning and its default.

It becomes the same facts as a file in `configs/bench/`; docs/guides/captions.md has an example.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from rs_adapt.config.own.bench_values import Name
from rs_adapt.config.tasks import CAPTIONS, WRONG
from rs_adapt.errors import ConfigError, DataNotFound

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode

_IGNORE = 255


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TrainTable(_Table):
    """What is trained on, and how."""

    captions: str = Field(description="A list (.csv, .tsv, .jsonl), a tar, or a folder of tars; relative to `root`.")
    images: str = Field(default="", description="Folder of the images of a list. Default: `root`.")
    negatives: int = Field(default=4, ge=0, description="Negatives of each caption; 0 for --strategy clip alone.")
    negative_maker: str | None = Field(default=None, description="MODULE:FUNCTION that makes them. Default: rules.")
    lexicon: str | None = Field(default=None, description="File of the words that the rules know.")
    long_captions: Literal["refuse", "cut"] = Field(default="refuse", description="Texts of more than 77 tokens.")
    iters: int = Field(default=2000, gt=0, description="Iterations.")
    eval_every: int | None = Field(
        default=None, gt=0, description="Iterations between evaluations. Default: a quarter."
    )
    batch_size: int = Field(default=256, gt=0, description="Captions of an iteration.")
    lr: float = Field(default=1e-6, gt=0, description="Learning rate of both towers.")
    method: str = Field(default="full", description="Default of --method.")
    backbone: str = Field(default="clip_b_32", description="Default of --backbone, a CLIP.")


class ScoredTable(_Table):
    """A benchmark to score."""

    benchmark: Literal["sugarcrepe", "aro", "valse", "order", "folders", "items"] = Field(description="Its form.")
    source: str = Field(description="Its file, or folder of files; relative to `root`.")
    images: str | None = Field(default=None, description="Folder of its images. Default: `root`.")
    template: str | None = Field(default=None, description="Of folders: a sentence with {} for the class.")
    kind: str | None = Field(default=None, description="One kind for all items. Default: the benchmark's name.")
    kinds: list[str] | None = Field(default=None, description="The kinds of its items, each scored by itself.")
    beside: bool = Field(default=False, description="Whether it stands beside the accuracy and is not part of it.")

    def names(self) -> list[str]:
        """Return the kinds of its items."""
        return self.kinds or [self.kind or self.benchmark]


class CaptionsFile(_Table):
    """A bench of captions of your own."""

    task: Literal["captions"] = Field(description="What makes it a bench of captions.")
    name: Name = Field(description="Name of the bench.")
    title: str | None = Field(default=None, description="Title in reports. Default: the name.")
    root: str | None = Field(default=None, description="Folder of relative paths. Default: that of the file.")
    crop_px: int = Field(default=224, gt=0, description="Side of the square that the model sees.")
    train: TrainTable
    test: list[ScoredTable] = Field(min_length=1, description="What is scored at the end.")
    val: list[ScoredTable] = Field(default=[], description="What is scored in between. Default: as at the end.")


def captions_content(given: ConfigNode, file: Path, *, check_folders: bool) -> ConfigNode:
    """Return what a file of captions means: `bench` and `optim`, as a file of `configs/bench/` holds them.

    Args:
        given: The table that the file holds.
        file: Its path, for messages and for paths that are relative to it.
        check_folders: Whether the files and folders that it names have to exist.

    Raises:
        DataNotFound: A file or folder that it names does not exist.
        ConfigError: A key or value is not usable.
    """
    from rs_adapt.validation import parse_as

    parsed = parse_as(CaptionsFile, given, file=str(file))
    root, train = Path(parsed.root or file.parent).expanduser().resolve(), parsed.train
    scored = [*parsed.test, *parsed.val]
    kinds = list(dict.fromkeys(name for table in scored for name in table.names()))
    if WRONG in kinds:
        raise ConfigError(f"{file}: no kind may be named {WRONG!r}, the class of items that are not solved.")
    places = [("train.captions", train.captions), ("train.images", train.images)]
    places += [(f"{table.benchmark}.{key}", value) for table in scored for key, value in _places(table).items()]
    for key, value in places if check_folders else ():
        if not (root / value).exists():
            raise DataNotFound(
                f"{file}: {key} names {root / value}, which does not exist. Relative paths start at {root}."
            )
    val = parsed.val or parsed.test
    return {
        "bench": {
            "name": parsed.name,
            "family": parsed.name,
            "direction": "",
            "default": True,
            "title": parsed.title or parsed.name,
            "data": [],
            "task": CAPTIONS,
            "settings": ["dg"],
            "classes": [*kinds, WRONG],
            "palette": [],
            "reduce_zero_label": False,
            "ignore_index": _IGNORE,
            "gsd_m": None,
            "tile_px": parsed.crop_px,
            "crop_px": parsed.crop_px,
            "img_suffix": "",
            "ann_suffix": "",
            "scene_pattern": "(?P<scene>.*)#[^#]*",
            # What the engine reads of every bench of your own: that what is scored is not what is trained on.
            "source": {"region": "train", "train": {"img_dir": "train"}, "val": {"img_dir": "val"}},
            "target": {"region": "scored", "train": {"img_dir": "train"}, "val": {"img_dir": "val"}},
            "captions": {
                "train": str(root / train.captions),
                "train_images": str(root / train.images),
                "val": [_scored(table, root) for table in val],
                "test": [_scored(table, root) for table in parsed.test],
                "beside": list(dict.fromkeys(name for table in scored if table.beside for name in table.names())),
                "negatives": train.negatives,
                "negative_maker": train.negative_maker,
                "lexicon": train.lexicon and str(root / train.lexicon),
                "long_captions": train.long_captions,
            },
            "pipeline": {"resize_ratio": [1.0, 1.0]},
            "schedule": {
                "iters": train.iters,
                "eval_every": train.eval_every or max(1, train.iters // 4),
                "batch_size": {"dg": train.batch_size},
            },
            "inference": {"mode": "whole", "crop_px": parsed.crop_px, "stride_px": parsed.crop_px},
            "defaults": {"method": train.method, "backbone": train.backbone, "head": "two_towers"},
            "prepare": None,
            "own": given | {"root": str(root)},
        },
        "optim": {"lr": train.lr, "weight_decay": 0.1, "warmup_iters": 50},
    }


def _places(table: ScoredTable) -> dict[str, str]:
    given = {"source": table.source, "images": table.images}
    return {key: value for key, value in given.items() if value is not None}


def _scored(table: ScoredTable, root: Path) -> ConfigNode:
    return {
        "benchmark": table.benchmark,
        **{key: str(root / value) for key, value in _places(table).items()},
        "images": str(root / (table.images or "")),
        "template": table.template,
        "kind": None if table.kinds else table.names()[0],
    }
