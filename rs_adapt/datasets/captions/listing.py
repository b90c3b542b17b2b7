"""What a set of captions or of choices holds, from the arguments of its data set. Loads no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rs_adapt.datasets.captions.choices import ChoiceItem, read_choices
from rs_adapt.datasets.captions.pictures import ImagePlace, read_content
from rs_adapt.datasets.captions.records import LISTS, CaptionRecord, read_list
from rs_adapt.datasets.captions.shards import find_shards, read_shards
from rs_adapt.errors import DataError, DataNotFound


def list_records(source: Path, images: Path) -> list[CaptionRecord]:
    """Return the captions of a list, a tar, or a folder of tars; see `read_list` and `read_shards`."""
    if source.suffix.lower() in LISTS:
        return read_list(source, images)
    return read_shards(find_shards(source))


def list_items(choices: Sequence[Mapping[str, Any]], images: Path) -> tuple[list[ChoiceItem], int]:
    """Return the items of benchmarks, and the number of entries that are none; see `read_choices`.

    Args:
        choices: By benchmark its `benchmark` and `source`; where needed `images` (None for the folder of the set),
            `template`, and `kind`, one name for all of its items.
        images: The folder of the set.
    """
    items: list[ChoiceItem] = []
    left_out = 0
    for settings in choices:
        more = {"template": settings["template"]} if settings.get("template") else {}
        read = read_choices(
            settings["benchmark"], Path(settings["source"]), Path(settings.get("images") or images), **more
        )
        items += [item.of_kind(settings.get("kind") or item.kind) for item in read.items]
        left_out += read.left_out
    return items, left_out


def item_name(item: ChoiceItem) -> str:
    """Return the name of an item in stored scores: kind, then image and key; items of one image are one unit there."""
    image = (item.image.member or item.image.path.name).replace("/", "_").replace("#", "_")
    return f"{item.kind}/{image}#{item.key.replace('/', '_').replace('#', '_')}"


def digest_captions(settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the digests of a set by name: of the image's file and of its texts, 16 hex digits each.

    Args:
        settings: The arguments of `CaptionDataset` or `ChoiceDataset`.

    Raises:
        DataNotFound, DataError: See `read_list`, `read_shards` and `read_choices`.
    """
    images = Path(settings["img_dir"])
    known: dict[ImagePlace, str] = {}
    digests: dict[str, tuple[str, ...]] = {}
    if "choices" in settings:
        named = [(item_name(item), item.image, item.texts) for item in list_items(settings["choices"], images)[0]]
    else:
        records = list_records(Path(settings["source"]), images)
        named = [(record.key, record.image, (record.caption, *(record.negatives or ()))) for record in records]
    for name, place, texts in named:
        whole = place.whole()
        if whole not in known:
            known[whole] = _digest(_read(whole))
        digests[name] = known[whole], _digest("\0".join((*texts, str(place.box))).encode())
    return digests


def _read(place: ImagePlace) -> bytes:
    try:
        return read_content(place)
    except FileNotFoundError as failure:
        raise DataNotFound(f"There is no image {place}.") from failure
    except OSError as failure:
        raise DataError(f"{place} cannot be read: {failure}.") from failure


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
