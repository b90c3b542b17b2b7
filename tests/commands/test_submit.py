"""The zip for LoveDA's server: names, values, sizes, and that a pack predicts what is in it."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main

Submit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def submit(train: Any, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Submit:
    """Return a function that submits a small run under LoveDA's own protocol, which is trained once for all tests."""
    if not (store / "server").exists():
        assert train("--protocol", "loveda-server")[0] == 0
        shutil.copytree(tmp_path / "run", store / "server")
    else:
        shutil.copytree(store / "server", tmp_path / "run")

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["submit", str(tmp_path / "run"), "--device", "cpu", "--out", str(tmp_path / "s.zip"), *arguments])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


def images(folder: Path, *numbers: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in numbers:
        # Not square, and larger than the bench's tiles: images are predicted as they are.
        pixels = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_the_zip_has_the_form_that_the_server_accepts(submit: Submit, tmp_path: Path) -> None:
    # 5167 to 5986 are urban test images; the others are not the target's.
    folder = images(tmp_path / "Test" / "Urban" / "images_png", 5167, 5986, 5166, 3514)
    code, out, err = submit("--images", str(tmp_path / "Test"), "--partial")
    assert code == 0, err
    assert "2 of 820 images of the domain urban" in out
    assert "The server scores complete submissions only." in out
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == ["5167.png", "5986.png"]
        for name in archive.namelist():
            with Image.open(io.BytesIO(archive.read(name))) as image:
                assert (image.mode, image.size) == ("L", (128, 96))
                assert set(np.unique(np.asarray(image))) <= set(range(7))
    first = (tmp_path / "s.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "Test.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"Test/Urban/images_png/{path.name}")
    assert submit("--images", str(tmp_path / "Test.zip"), "--partial", "--overwrite")[0] == 0
    assert (tmp_path / "s.zip").read_bytes() == first


def test_missing_images_are_counted(submit: Submit, tmp_path: Path) -> None:
    folder = images(tmp_path / "test", 5168)
    code, _, err = submit("--images", str(folder))
    assert code == 2
    assert "lacks 819 of the 820 test images of the domain urban" in err
    assert "the first is 5167.png" in err
    assert not (tmp_path / "s.zip").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "data fetch loveda --archive Test.zip"),
        (lambda path: path.write_bytes(b"no zip"), "cannot be read as a zip"),
        (lambda path: images(path / "a", 5167) and images(path / "b", 5167), "contains two images numbered 5167"),
    ],
)
def test_unreadable_images_are_named(
    submit: Submit, tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "given")
    code, _, err = submit("--images", str(tmp_path / "given"), "--partial")
    assert code == 2
    assert message in err


def test_a_run_of_a_different_bench_is_refused(run: Path, run_verb: Any, tmp_path: Path) -> None:
    # The same run, as if it was of another family: what counts is the bench in its manifest.
    manifest = run / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"bench": "loveda_r2u"', '"bench": "isprs_p2v"'))
    code, _, err = run_verb("submit", run, "--images", tmp_path)
    assert code == 2
    assert "submissions are for LoveDA's server" in err
