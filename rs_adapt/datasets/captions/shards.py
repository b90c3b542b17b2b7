"""Tars of pairs, as webdataset writes them: an image and its text under one name. Loads no torch.

Nothing is unpacked: images are read from their place in the tar. A tar may come from anybody, so links, devices, names
that lead elsewhere, and texts beyond their size are refused, although no file is ever written.
"""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from rs_adapt.datasets.captions.pictures import SUFFIXES, ImagePlace
from rs_adapt.datasets.captions.records import CaptionRecord, negatives_of, text_fault
from rs_adapt.documents import DocumentError, parse_json
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.path_names import relative_fault

# Captions of a pair: beyond any text that CLIP reads.
_TEXT_BYTES = 2**16
_TEXTS = (".txt", ".json")


def read_shards(paths: Sequence[Path]) -> list[CaptionRecord]:
    """Return the captions of tars, in the order of the tars and of their images.

    A pair is an image (.jpg, .jpeg, .png, .webp) and a text with the same name up to the first dot of its last part:
    `.txt` with the caption, or `.json` with `caption` and, optional, `negatives`, a list of texts. With both, the
    caption is that of `.txt`. Members with other endings (`.cls`, `.npy`) are not read.

    Args:
        paths: Uncompressed tars.

    Raises:
        DataNotFound: A tar is missing.
        DataError: A tar is damaged or compressed, a member is refused, an image has no text, or a text no image.
    """
    return [record for path in paths for record in _read_shard(path)]


def _read_shard(path: Path) -> list[CaptionRecord]:
    if not path.is_file():
        raise DataNotFound(f"There is no tar {path}.")
    images: dict[str, ImagePlace] = {}
    texts: dict[str, dict[str, bytes]] = {}
    try:
        # "r:" refuses compression, under which an image has no place of its own.
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                _take(tar, member, path, images, texts)
    except (tarfile.TarError, OSError, EOFError, UnicodeError, ValueError, OverflowError, RecursionError) as failure:
        raise DataError(
            f"{path} cannot be read as an uncompressed tar ({failure}): copy it again, or unpack .gz first."
        ) from failure
    if lonely := sorted(texts.keys() - images.keys()):
        raise DataError(f"{path}: {lonely[0][:200]} has a text and no image: one of {', '.join(SUFFIXES)} is missing.")
    if not images:
        raise DataError(f"{path} holds no images ({', '.join(SUFFIXES)}) with texts ({', '.join(_TEXTS)}).")
    return [_record(path, key, image, texts.get(key, {})) for key, image in images.items()]


def _take(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    path: Path,
    images: dict[str, ImagePlace],
    texts: dict[str, dict[str, bytes]],
) -> None:
    name = f"{path}/{member.name[:200]}"
    if member.isdir():
        return
    if not member.isreg() or member.issparse():
        raise DataError(f"{name} is a link, a device or a sparse file: pack the tar with plain files alone.")
    if fault := relative_fault(member.name):
        raise DataError(f"{name} {fault}: pack the tar with names below its root.")
    folder, last = PurePosixPath(member.name).parent, PurePosixPath(member.name).name
    stem, dot, ending = last.partition(".")
    key, suffix = str(folder / stem), f"{dot}{ending}".lower()
    if suffix in SUFFIXES:
        if key in images:
            raise DataError(f"{name}: {key} has two images, and its text belongs to one.")
        images[key] = ImagePlace(path=path, member=member.name, offset=member.offset_data, size=member.size)
    elif suffix in _TEXTS:
        if member.size > _TEXT_BYTES:
            raise DataError(f"{name} has {member.size} bytes, and a text may have {_TEXT_BYTES}.")
        if suffix in texts.setdefault(key, {}):
            raise DataError(f"{name} stands twice in the tar.")
        content = tar.extractfile(member)
        assert content is not None
        texts[key][suffix] = content.read()


def _record(path: Path, key: str, image: ImagePlace, texts: dict[str, bytes]) -> CaptionRecord:
    place = f"{path}/{key}"
    facts: object = {}
    try:
        if ".json" in texts:
            facts = parse_json(texts[".json"])
        caption: object = texts[".txt"].decode("utf-8").strip() if ".txt" in texts else None
    except (DocumentError, UnicodeDecodeError) as failure:
        raise DataError(f"{place}: its text cannot be read: {failure}.") from failure
    if not isinstance(facts, dict):
        raise DataError(f'{place}.json is no object: write {{"caption": ...}}.')
    caption = facts.get("caption") if caption is None else caption
    if fault := text_fault(caption):
        raise DataError(f"{place}: the image {image.member[:200]} {fault}: add {key}.txt or {key}.json to the tar.")
    negatives = negatives_of(facts.get("negatives"), place=place)
    return CaptionRecord(key=f"{path.name}/{key}", image=image, caption=str(caption), negatives=negatives, place=place)


def find_shards(place: Path) -> list[Path]:
    """Return the tars of a folder in the order of their names, or the one that the path names.

    Raises:
        DataNotFound: The folder holds none.
    """
    if not place.is_dir():
        return [place]
    tars = sorted(place.glob("*.tar"))
    if not tars:
        raise DataNotFound(f"{place} holds no tars (*.tar).")
    return tars
