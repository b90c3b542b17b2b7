"""Bad files of scene classes, captions and velocities: one sentence with the file, exit code 2, nothing written."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from tests.scene_folders import RSSCN7, write_rsscn7

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Refused = Callable[..., str]

BENCH = """
task = "captions"
name = "mine"
crop_px = 32

[train]
captions = "FILE"
images = "."
batch_size = 2
iters = 2
negatives = 1
backbone = "nano_clip"

[[test]]
benchmark = "items"
source = "items.json"
"""


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that runs a command which must be refused, and gives the sentence."""

    def run(words: Sequence[object]) -> str:
        with pytest.raises(SystemExit) as stop:
            main([*map(str, words)])
        assert stop.value.code == 2
        message = " ".join(capsys.readouterr().err.split())
        assert "error: " in message
        assert "Traceback" not in message
        return message.partition("error: ")[2]

    return run


def tar_of(*members: tuple[str, bytes], link: str = "", size: int | None = None) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
        if size is not None:
            info = tarfile.TarInfo("2.jpg")
            info.size = size
            content.write(info.tobuf())
            return content.getvalue()
    return content.getvalue()


PAIR = (("1.jpg", b"x" * 2000), ("1.txt", b"a car"))
HEAD = b"image,caption\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "t.csv has the columns (none), and none is named image or filepath"),
        ("t.csv", HEAD, "t.csv has no captions"),
        ("t.csv", HEAD + b"a.png,\xff\xfe\n", "t.csv cannot be read as a table in UTF-8"),
        ("t.csv", HEAD.decode().encode("utf-16"), "t.csv cannot be read as a table in UTF-8"),
        ("t.csv", HEAD + b'a.png,"a car', "t.csv cannot be read as a table in UTF-8: unexpected end of data"),
        ("t.csv", HEAD + b"a.png\n", "t.csv, line 2 has not as many fields"),
        ("t.csv", b"image,image,caption\na.png,a.png,a car\n", "t.csv has two columns 'image'"),
        ("t.csv", HEAD + b"a.png,a car\n/a.png,a car\n", "t.csv, line 3: the image is '/a.png', which is not relative"),
        ("t.csv", HEAD + b"../a.png,a car\n", "t.csv, line 2: the image is '../a.png', which leads out"),
        ("t.csv", HEAD + b"a" * 300 + b".png,a car\n", "which is longer than file systems allow"),
        ("t.csv", HEAD + b"b.png,a car\n", "t.csv, line 2: there is no image"),
        ("t.csv", None, "t.csv"),
        ("t.jsonl", b'{"image": "a.png", "caption": NaN}\n', "t.jsonl, line 1"),
        ("t.jsonl", b'{"image": "a.png", "caption": "a car"}\n{"image": ', "t.jsonl, line 2"),
        ("t.jsonl", b'{"image": "a.png", "image": "a.png", "caption": "a car"}\n', "t.jsonl, line 1"),
        ("t.jsonl", b'{"image": 7, "caption": "a car"}\n', "t.jsonl, line 1: there is no image"),
        ("t.tar", b"", "t.tar"),
        ("t.tar", tar_of(*PAIR)[:1500], "t.tar cannot be read as an uncompressed tar"),
        ("t.tar", tar_of(*PAIR, size=2**40), "t.tar cannot be read as an uncompressed tar"),
        ("t.tar", tar_of(*PAIR, *PAIR), "t.tar/1.jpg: 1 has two images"),
        ("t.tar", tar_of(*PAIR, ("../2.jpg", b"x")), "t.tar/../2.jpg leads out of its folder"),
        ("t.tar", tar_of(*PAIR, ("/2.jpg", b"x")), "t.tar//2.jpg is not relative"),
        ("t.tar", tar_of(*PAIR, link="2.jpg"), "t.tar/2.jpg is a link"),
        ("t.tar", tar_of(("1.jpg", b"x"), ("1.txt", b"\xff")), "t.tar/1: its text cannot be read"),
        ("t.tar", tar_of(*PAIR), "t.tar/1.jpg cannot be read as an image"),
    ],
    ids=str,
)
def test_captions(
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | None,
    message: str,
) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "items.json").write_text(json.dumps([{"image": "a.png", "kind": "x", "texts": ["a car", "a house"]}]))
    (tmp_path / "bench.toml").write_text(BENCH.replace("FILE", name))
    (tmp_path / name).mkdir() if content is None else (tmp_path / name).write_bytes(content)
    # Nothing is relative to the folder of the data sets, which need not be there.
    monkeypatch.chdir(tmp_path)
    small = ("--strategy", "negatives", "--device", "cpu", "--num-workers", 0, "--work-dir", tmp_path / "run")
    assert message in refused(["train", "--bench", "bench.toml", *small])
    assert not (tmp_path / "run").exists()


ROW = ["aGrass/000.png", 0, "grass"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "s.json"),
        (b'{"train": [["a', "s.json"),
        (b"\xff\xfe", "s.json"),
        (json.dumps({"train": [ROW, ROW]}).encode(), "s.json: aGrass/000.png stands twice in train"),
        (json.dumps({"train": [ROW], "test": [ROW]}).encode(), "s.json: aGrass/000.png is in train and in test"),
        (json.dumps({"train": [["../a.png", 0, "grass"]]}).encode(), "s.json: the path '../a.png' of train leads out"),
        (
            json.dumps({"train": [["/a.png", 0, "grass"]]}).encode(),
            "s.json: the path '/a.png' of train is not relative",
        ),
        (json.dumps({"train": [["a" * 300, 0, "grass"]]}).encode(), "is longer than file systems allow"),
        (json.dumps({"train": [["aGrass/0.png", 0, "grass"]]}).encode(), "s.json are not in"),
        (json.dumps({"train": [[*ROW[:2], "lawn"]]}).encode(), "s.json has the class 'lawn' (aGrass/000.png)"),
        (b'{"train": [["a.png", NaN, "grass"]]}', "s.json"),
        (None, "s.json"),
    ],
    ids=str,
)
def test_released_split(tmp_path: Path, refused: Refused, content: bytes | None, message: str) -> None:
    root = write_rsscn7(tmp_path / "data", images=1)
    file = tmp_path / "s.json"
    file.mkdir() if content is None else file.write_bytes(content)
    assert message in refused(["data", "prepare", "rsscn7", "--data-root", root, "--split-file", file])
    assert sorted(path.name for path in (root / "rsscn7").iterdir()) == sorted(RSSCN7)


def test_folders_of_classes(tmp_path: Path, refused: Refused) -> None:
    root = write_rsscn7(tmp_path / "data", images=1)
    prepare = ["data", "prepare", "rsscn7", "--data-root", root]
    (root / "rsscn7" / "hSky").mkdir()
    assert "The folder " in (message := refused(prepare))
    assert "hSky holds no image" in message
    (root / "rsscn7" / "hSky" / "1.png").mkdir()
    assert "hSky holds no image" in refused(prepare)
    (root / "rsscn7" / "hSky" / "1.png").rmdir()
    (root / "rsscn7" / "hSky" / "2.png").touch()
    assert "has the class 'h sky' (hSky/2.png), which the bench does not have" in refused(prepare)
    assert not list((root / "rsscn7").glob("split*"))


def huge_npy() -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "<f4", "fortran_order": False, "shape": (3, 2**40, 2**20)})
    return content.getvalue()


def npy(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def huge_tiff(path: Path) -> bytes:
    import rasterio

    # No tile is written, so the file is small.
    shape = {"height": 60000, "width": 60000, "count": 3, "dtype": "float32", "tiled": True, "SPARSE_OK": True}
    with rasterio.open(path, "w", driver="GTiff", BIGTIFF="YES", blockxsize=4096, blockysize=4096, **shape):
        pass
    return path.read_bytes()


FIELD = np.random.default_rng(0).standard_normal((3, 8, 8))
WITH_NAN = FIELD.copy()
WITH_NAN[1, 2, 3] = np.nan


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("f.npy", b"", "f.npy cannot be read"),
        ("f.npy", npy(FIELD)[:300], "f.npy cannot be read"),
        ("f.npy", npy(FIELD)[:40], "f.npy cannot be read"),
        ("f.npy", b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "f.npy cannot be read"),
        ("f.npy", b"PK\x03\x04" + b"x" * 40, "f.npy cannot be read"),
        ("f.npy", huge_npy(), "f.npy cannot be read"),
        ("f.npy", npy(WITH_NAN), "f.npy has no values, or some that are not finite"),
        ("f.npy", npy(FIELD.astype(object)), "f.npy cannot be read"),
        ("f.npy", npy(FIELD[:2]), "f.npy has the shape (2, 8, 8)"),
        ("f.nc", b"CDF\x01" + b"\xff" * 40, "f.nc cannot be read"),
        ("f.tif", b"II*\x00\xff\xff\xff\x7f", "f.tif cannot be read"),
        ("f.tif", huge_tiff, "f.tif states 43200000000 bytes of pixels"),
        ("f.h5", b"\x89HDF\r\n\x1a\n", "f.h5"),
        ("f.txt", b"", "f.txt is of no known format"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_velocities(
    tmp_path: Path,
    refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes | Callable[[Path], bytes],
    message: str,
) -> None:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    (tmp_path / name).write_bytes(content(tmp_path / "made.tiff") if callable(content) else content)
    np.save(tmp_path / "test.npy", FIELD)
    files = [f"bench.prepare.files.train=['{name}']", "bench.prepare.files.test=['test.npy']"]
    words = ["train", "--bench", "flow-files-sr", "--data-root", tmp_path, "--work-dir", tmp_path / "run"]
    words += ["--set", files[0], "--set", files[1], "--device", "cpu", "--num-workers", 0]
    assert message in refused(words)
    assert not (tmp_path / "run").exists()
    # No folder of images, finished or not.
    assert not list((tmp_path / "home").rglob("*.npy"))
    assert not list((tmp_path / "home").rglob("flow.json"))


@pytest.mark.parametrize(
    "words", [["--method", ""], ["--strategy="], ["--teacher", ""], ["--work-dir="], ["--weights", ""]]
)
def test_empty_names_and_paths_are_no_defaults(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "--bench", "synthetic-dg", "--dry-run", *words])
    assert stop.value.code == 2
    said = " ".join(capsys.readouterr().err.replace("\u2502", " ").split())
    assert f"The value of {words[0].removesuffix('=')} is empty. Give one" in said


@pytest.mark.parametrize("key", ["model.backbone.type", "model.decode_head.type"])
def test_a_part_of_a_model_that_does_not_exist_is_one_sentence(refused: Refused, key: str) -> None:
    said = refused(["show", "--bench", "synthetic-dg", "--cost", "--set", f"{key}=rs_adapt.Nothing"])
    assert said.startswith("There is no part of a model of the type 'rs_adapt.Nothing'.")
