"""`rs-adapt data show`: one page without links, one picture, and refusals."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main

if TYPE_CHECKING:
    from collections.abc import Callable

    Show = Callable[..., tuple[Any, str, str]]


@pytest.fixture
def show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Show:
    """Return a function that shows what lies below `data` in `page`, and gives the exit code, stdout and stderr."""

    def run(name: str, *arguments: str) -> tuple[Any, str, str]:
        places = ("--data-root", str(tmp_path / "data"), "--out", str(tmp_path / "page"))
        with pytest.raises(SystemExit) as stop:
            main(["data", "show", name, *places, *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return run


@pytest.mark.usefixtures("drawn")
def test_page_has_legend_shares_and_tiles_and_loads_nothing(loveda_root: Path, show: Show, tmp_path: Path) -> None:
    code, out, _ = show("loveda", "--samples", "2")
    assert code == 0
    assert "urban val: 2 of 2 tiles read" in out
    assert sorted(path.name for path in (tmp_path / "page").iterdir()) == ["index.html", "overview.png"]
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    assert "LoveDA, land cover for domain adaptation: CC-BY-NC-SA-4.0" in page
    assert '<li><i class="swatch" style="background:rgb(255,195,128)"></i>agricultural (7)</li>' in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    labels = [np.asarray(Image.open(path)) for path in (loveda_root / "loveda/rural/train/ann_dir").iterdir()]
    counts = np.bincount(np.concatenate(labels).ravel(), minlength=8)
    share = f"{100 * counts[4] / counts[1:].sum():.2f}"
    assert f'water</th><td data-v="{float(share):.10g}">{share}</td>' in page
    for title in ("rural train", "rural val", "urban train", "urban val"):
        assert f"<h2>Tiles of {title}</h2>" in page
    # Two plots, and two tiles of each of the four sets.
    pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in re.findall(r"base64,([^\"]+)", page)]
    assert len(pictures) == 2 + 8
    with Image.open(tmp_path / "page" / "overview.png") as picture:
        assert picture.width > 600


def test_labels_lie_on_the_image(loveda_root: Path, show: Show, tmp_path: Path) -> None:
    image, label = (loveda_root / "loveda/rural/val" / kind / "0.png" for kind in ("img_dir", "ann_dir"))
    Image.new("RGB", (64, 64), (100, 100, 100)).save(image)
    values = np.zeros((64, 64), np.uint8)
    values[:32] = 2
    Image.fromarray(values).save(label)
    assert show("loveda-da", "--samples", "9")[0] == 0
    page = (tmp_path / "page" / "index.html").read_text(encoding="utf-8")
    data = re.search(
        r'<h2>Tiles of rural val</h2>.*?alt="0: image and label" src="data:image/png;base64,([^"]+)"', page, re.DOTALL
    )
    assert data is not None
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))))
    # Image, a gap of a pixel, and the image under red (building) and grey (no data).
    assert pixels.shape == (64, 129, 3)
    assert (pixels[:, :64] == 100).all()
    assert (pixels[:32, 65:] == (185, 45, 45)).all()
    assert (pixels[32:, 65:] == 94).all()


def test_a_page_is_replaced_only_with_overwrite(loveda_root: Path, show: Show, tmp_path: Path) -> None:
    page = tmp_path / "page" / "index.html"
    page.parent.mkdir()
    page.write_text("an older page")
    code, out, err = show("loveda")
    assert (code, out, page.read_text()) == (2, "", "an older page")
    assert re.search(r"page contains a page already\. .*--out.*--overwrite", err)
    assert show("loveda", "--overwrite")[0] == 0
    assert "LoveDA" in page.read_text(encoding="utf-8")


def test_damage_and_missing_data_are_refused_and_nothing_is_written(
    loveda_root: Path, show: Show, tmp_path: Path
) -> None:
    code, _, err = show("potsdam")
    assert (code, "There are no tiles of potsdam" in err) == (2, True)
    (loveda_root / "loveda/urban/val/ann_dir/1.png").write_bytes(b"no image")
    code, _, err = show("loveda")
    assert code == 2
    assert re.search(r"error: Cannot read .*urban/val/ann_dir/1\.png .*rs-adapt data verify", err)
    assert [*(tmp_path / "page").iterdir()] == []
