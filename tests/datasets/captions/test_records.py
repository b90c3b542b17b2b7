"""Lists and tars of captions: what is read, and what is refused with the name of the line or member."""

from __future__ import annotations

import io
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets.captions.pictures import ImagePlace, read_square
from rs_adapt.datasets.captions.records import read_list
from rs_adapt.datasets.captions.shards import find_shards, read_shards
from rs_adapt.errors import DataError, DataNotFound, RsAdaptError


def png(colour: tuple[int, int, int] = (255, 0, 0), size: tuple[int, int] = (6, 4)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    (folder / "sub").mkdir()
    (folder / "a.png").write_bytes(png())
    (folder / "sub" / "b.png").write_bytes(png((0, 0, 255)))
    (folder / "no.png").write_bytes(b"%!PS-Adobe")
    return folder


def tar_of(path: Path, members: dict[str, bytes | tarfile.TarInfo], *, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.csv", 'image,caption,negatives\na.png,"a car, red","[""a bus"", ""a van""]"\nsub/b.png,a lake,\n'),
        (
            "x.tsv",
            'other\tfilepath\ttitle\tnegatives\n1\ta.png\ta car, red\t["a bus", "a van"]\n2\tsub/b.png\ta lake\t\n',
        ),
        (
            "x.jsonl",
            '{"image": "a.png", "caption": "a car, red", "negatives": ["a bus", "a van"]}\n\n'
            '{"image": "sub/b.png", "caption": "a lake"}\n',
        ),
    ],
)
def test_lists_of_every_kind(name: str, text: str, images: Path, tmp_path: Path) -> None:
    # As programs of Windows write UTF-8.
    (tmp_path / name).write_text("\ufeff" + text, encoding="utf-8")
    first, second = read_list(tmp_path / name, images)
    assert (first.caption, first.negatives) == ("a car, red", ("a bus", "a van"))
    assert (second.caption, second.negatives) == ("a lake", None)
    assert second.image == ImagePlace(path=images / "sub" / "b.png")
    assert first.key != second.key


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "x.csv",
            "image,caption\na.png,a car <|endoftext|> on a road\n",
            r"line 2: the image a\.png has CLIP's own mark <\|endoftext\|> in its caption",
        ),
        ("x.csv", "image,caption\na.png,  \n", r"x\.csv, line 2: the image a\.png has no caption"),
        ("x.csv", "image,caption\nc.png,a car\n", r"line 2: there is no image .*c\.png"),
        ("x.csv", "image,caption\n../a.png,a car\n", r"line 2: the image is '\.\./a\.png', which leads out"),
        ("x.csv", "image,caption\n/etc/passwd,a car\n", "which is not relative"),
        ("x.csv", "image,text\na.png,a car\n", "has the columns image, text, and none is named caption or title"),
        ("x.csv", "image,caption\na.png,a car, red\n", r"line 2 has not as many fields"),
        ("x.csv", "image,caption\na.png\n", r"line 2 has not as many fields"),
        ("x.csv", 'image,caption,negatives\na.png,a car,"a bus"\n', "line 2: 'a bus' cannot be read as JSON"),
        ("x.csv", 'image,caption,negatives\na.png,a car,"[1]"\n', "give a list of texts"),
        ("x.csv", 'image,caption\na.png,"a car\n', "cannot be read as a table"),
        ("x.csv", "image,caption\n", "has no captions"),
        ("x.jsonl", '{"image": "a.png"}\n', r"line 1: the image a\.png has no caption"),
        ("x.jsonl", '{"caption": "a car"}\n', "line 1: there is no image"),
        ("x.jsonl", '["a.png"]\n', "line 1 is no object"),
        ("x.jsonl", '{"image": "a.png", "caption": "a\\u0000"}\n', "holds NUL"),
        ("x.txt", "a.png a car\n", r"is no list of captions\. Allowed: \.csv, \.tsv, \.jsonl"),
    ],
)
def test_unusable_lists_are_refused_with_their_line(
    name: str, text: str, message: str, images: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(RsAdaptError, match=message):
        read_list(tmp_path / name, images)


def test_a_list_that_is_no_text_is_refused(images: Path, tmp_path: Path) -> None:
    for name in ("x.csv", "x.jsonl"):
        (tmp_path / name).write_bytes(b"image,caption\n\xff\xfe\n")
        with pytest.raises(DataError, match="UTF-8"):
            read_list(tmp_path / name, images)
    with pytest.raises(DataNotFound, match="There is no list"):
        read_list(tmp_path / "none.csv", images)


def test_tars_hold_pairs_of_image_and_text(tmp_path: Path) -> None:
    facts = json.dumps({"caption": "a lake", "negatives": ["a sea"]}).encode()
    tar_of(tmp_path / "b.tar", {"x/3.jpg": png(), "x/3.txt": b" a car\n", "x/3.json": facts, "x/3.seg.npy": b"1"})
    tar_of(tmp_path / "a.tar", {"1.png": png((0, 255, 0)), "1.json": facts})
    first, second = read_shards(find_shards(tmp_path))
    assert (first.caption, first.negatives, first.key) == ("a lake", ("a sea",), "a.tar/1")
    assert (second.caption, second.negatives, second.key) == ("a car", ("a sea",), "b.tar/x/3")
    assert np.array_equal(read_square(first.image, 2), np.full((2, 2, 3), (0, 255, 0)))
    assert find_shards(tmp_path / "b.tar") == [tmp_path / "b.tar"]


def link(name: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd"
    return info


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.png": png()}, r"bad\.tar/1: the image 1\.png has no caption: add 1\.txt or 1\.json"),
        ({"1.png": png(), "1.txt": b" "}, "has no caption"),
        ({"1.txt": b"a car"}, "1 has a text and no image"),
        ({"1.npy": b"1"}, "holds no images"),
        ({"../1.png": png(), "../1.txt": b"a car"}, "leads out of its folder"),
        ({"/1.png": png()}, "is not relative"),
        ({"1.png": link("1.png", tarfile.SYMTYPE), "1.txt": b"a"}, r"1\.png is a link"),
        ({"1.png": link("1.png", tarfile.LNKTYPE), "1.txt": b"a"}, "is a link"),
        ({"1.png": link("1.png", tarfile.FIFOTYPE), "1.txt": b"a"}, "a device"),
        ({"1.png": png(), "1.jpg": png(), "1.txt": b"a"}, "has two images"),
        ({"1.png": png(), "1.txt": b"a" * 70_000}, "has 70000 bytes, and a text may have 65536"),
        ({"1.png": png(), "1.txt": b"\xff"}, "its text cannot be read"),
        ({"1.png": png(), "1.json": b"{"}, "its text cannot be read"),
        ({"1.png": png(), "1.json": b"[]"}, "is no object"),
        ({"1.png": png(), "1.json": b'{"caption": "a", "negatives": "b"}'}, "give a list of texts"),
    ],
)
def test_hostile_and_incomplete_tars_are_refused(members: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_shards([tar_of(tmp_path / "bad.tar", members)])  # type: ignore[arg-type]


def test_damaged_and_compressed_tars_are_refused(tmp_path: Path) -> None:
    whole = tar_of(tmp_path / "x.tar", {"1.png": png(), "1.txt": b"a car"})
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[:700])
    packed = tar_of(tmp_path / "x.tar.gz", {"1.png": png(), "1.txt": b"a car"}, mode="w:gz")
    (tmp_path / "noise.tar").write_bytes(random.Random(0).randbytes(2000))
    for path in (tmp_path / "cut.tar", packed, tmp_path / "noise.tar"):
        with pytest.raises(DataError, match="cannot be read as an uncompressed tar"):
            read_shards([path])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataNotFound, match="holds no tars"):
        find_shards(tmp_path / "empty")
    with pytest.raises(DataNotFound, match="There is no tar"):
        read_shards([tmp_path / "none.tar"])


def test_a_square_is_the_middle_or_drawn_and_never_mirrored(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:4], pixels[:, 4:6] = (255, 0, 0), (0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    place = ImagePlace(path=tmp_path / "x.png")
    assert np.array_equal(read_square(place, 4), pixels[:, 2:6])
    part = ImagePlace(path=tmp_path / "x.png", box=(4, 0, 2, 2))
    assert np.array_equal(read_square(part, 2), np.full((2, 2, 3), (0, 0, 255)))
    drawn = [read_square(place, 4, crop=random.Random(seed)) for seed in range(8)]
    assert len({square.tobytes() for square in drawn}) > 2
    assert np.array_equal(drawn[3], read_square(place, 4, crop=random.Random(3)))


def test_an_unreadable_image_is_named(images: Path) -> None:
    with pytest.raises(DataError, match=r"no\.png cannot be read as an image"):
        read_square(ImagePlace(path=images / "no.png"), 4)
    with pytest.raises(DataNotFound, match=r"There is no image .*none\.png"):
        read_square(ImagePlace(path=images / "none.png"), 4)
    with pytest.raises(DataError, match="lies outside the image"):
        read_square(ImagePlace(path=images / "a.png", box=(9, 0, 2, 2)), 4)
