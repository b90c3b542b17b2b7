"""`rs-adapt inspect` as its users meet it: the page, the numbers, and what it refuses."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.inference.checkpoint import load_model, recompose
from rs_adapt.render.overlays import colour_map

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("drawn")
Inspect = "Callable[..., tuple[Any, str, str]]"
METHODS = {
    "earth_adapter": ("--method", "earth-adapter", "--untuned"),
    "rein": ("--method", "rein", "--set", "model.backbone.adapter.query_dim=None"),
    "frozen": ("--method", "frozen"),
    "full": ("--method", "full"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the runs of this file are kept: each method is trained once, and each test gets a copy."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def run_of(store: Path, loveda_root: Path, tmp_path: Path, small: tuple[str, ...], capsys) -> Callable[[str], Path]:
    """Return a function that gives the folder of a finished run of a method."""

    def give(method: str) -> Path:
        if not (store / method).exists():
            places = ("--data-root", str(loveda_root), "--work-dir", str(store / method))
            with pytest.raises(SystemExit) as stop:
                main(["train", "--bench", "loveda-dg", *small, *METHODS[method], *places])
            assert not stop.value.code
            capsys.readouterr()
        shutil.copytree(store / method, tmp_path / "run")
        return tmp_path / "run"

    return give


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Write an image of 100 x 70 px: bands of three colours with noise."""
    rng = np.random.default_rng(0)
    rows = np.array([[40, 120, 60], [180, 170, 150], [60, 80, 160]])[np.arange(70) * 3 // 70]
    pixels = (rows[:, None] + rng.integers(0, 30, (70, 100, 3))).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "tile.png")
    return tmp_path / "tile.png"


@pytest.fixture
def inspect(image: Path, capsys: pytest.CaptureFixture[str]) -> Inspect:
    """Return a function that inspects a run and gives exit code, stdout and stderr."""

    def call(run: Path, *arguments: str, picture: Path = image) -> tuple[Any, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(["inspect", str(run), "--image", str(picture), "--device", "cpu", *arguments])
        shown = capsys.readouterr()
        return stop.value.code or 0, shown.out, shown.err

    return call


def numbers(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "inspect.json").read_text())


def test_the_page_is_whole_in_itself(run_of, inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = run_of("earth_adapter")
    code, out, err = inspect(run)
    assert (code, err) == (0, "")
    folder = run / "inspect" / "tile"
    assert out.splitlines()[-1] == "Page: run/inspect/tile/index.html"
    page = (folder / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img [^>]*src="data:image/png;base64,([^"]+)"', page)
    text = re.sub(r'base64,[^"]+', "", page)
    assert text.count("<img ") == text.count("src=") == len(sources)
    # One script, inside; links lead to sections of the page only.
    assert text.count("<script") == text.count("<script>") == 1
    assert not re.search(r"https?:|url\(|@import", text)
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'href="([^"]*)"', text))
    inside = {base64.b64decode(source) for source in sources}
    assert inside == {path.read_bytes() for path in folder.glob("*.png")}
    assert "The model saw columns 18 to 81, rows 3 to 66, of the 100 x 70 px image: 8 x 8 patches." in page
    assert "Predicted in fp32." in page
    # 6 blocks before and after, 3 of them with 2 frequency maps and 3 router maps.
    assert len(list(folder.glob("block*.png"))) == 6 * 2 + 3 * 5
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".png") == ["index.html", "inspect.json"]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tile"]


@pytest.mark.parametrize("method", ["earth_adapter", "rein", "frozen"])
def test_the_prediction_equals_that_of_the_uninspected_model(run_of, inspect, image: Path, method: str) -> None:
    from mmseg.structures import SegDataSample

    run = run_of(method)
    assert inspect(run)[0] == 0
    cfg = recompose(run)
    with Image.open(image) as picture:
        pixels = np.asarray(picture)[3:67, 18:82]
    sample = SegDataSample(metainfo={"ori_shape": (64, 64), "img_shape": (64, 64)})
    inputs = torch.from_numpy(pixels[..., ::-1].transpose(2, 0, 1).copy())
    with torch.no_grad():
        (done,) = load_model(cfg, run, device="cpu").test_step({"inputs": [inputs], "data_samples": [sample]})
    labels = done.pred_sem_seg.data[0].numpy()
    with Image.open(run / "inspect" / "tile" / "prediction.png") as shown:
        colours = np.asarray(shown.resize((64, 64), Image.Resampling.NEAREST))
    assert np.array_equal(colours, colour_map(labels, cfg.bench.palette))
    shares = numbers(run / "inspect" / "tile")["predicted_share"]
    assert list(shares) == list(cfg.bench.classes)
    assert list(shares.values()) == pytest.approx(np.bincount(labels.ravel(), minlength=7) / 64**2, abs=1e-6)


def test_numbers_of_earth_adapter(run_of, inspect) -> None:
    run = run_of("earth_adapter")
    inspect(run)
    found = numbers(run / "inspect" / "tile")
    assert (found["adapter"], found["grid_hw"]) == ("EarthAdapter", [8, 8])
    assert found["image"] == {"file": "tile.png", "size_px": [100, 70], "box_px": [18, 3, 82, 67], "seen_px": [64, 64]}
    blocks = found["blocks"]
    assert [block["block"] for block in blocks] == [0, 1, 2, 3, 4, 5]
    # In block 0 the two streams have had the same input, so the change is the block's own step.
    assert blocks[0]["update_norm"] == blocks[0]["own_step"] > 0
    assert all(block["update_norm"] > 0 for block in blocks)
    frequency = [block["block"] for block in blocks if block["views"]]
    assert frequency == list(load_model(recompose(run), run, device="cpu").backbone.adapter.frequency_layers)
    for index in frequency:
        views = blocks[index]["views"]
        means = [views[f"router_weight/{name}"]["mean"] for name in ("spatial", "low", "high")]
        assert sum(means) == pytest.approx(1, abs=1e-5)
        assert views["frequency_norm/low"]["min"] > 0


def test_attention_shares_of_rein_add_up_to_one(run_of, inspect) -> None:
    run = run_of("rein")
    inspect(run)
    found = numbers(run / "inspect" / "tile")
    for block in found["blocks"]:
        shares = block["views"]["attention_share/tokens"]
        assert len(shares) == 100
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        assert shares[0] == pytest.approx(block["views"]["attention_share/sink"]["mean"], abs=1e-6)
    page = (run / "inspect" / "tile" / "index.html").read_text(encoding="utf-8")
    top = int(np.argmax(found["blocks"][0]["views"]["attention_share/tokens"]))
    assert re.search(rf"attention share, tokens: largest of 100 are \d\.\d{{3}} \(no\. {top}\), ", page)


@pytest.mark.parametrize(("method", "state"), [("frozen", "frozen"), ("full", "trained")])
def test_a_method_without_adapter_shows_features_and_a_remark(run_of, inspect, method: str, state: str) -> None:
    run = run_of(method)
    code, out, _ = inspect(run)
    assert code == 0
    assert f"Method {method} has no adapter" in out
    folder = run / "inspect" / "tile"
    assert sorted(path.name for path in folder.glob("*.png")) == ["final_features.png", "image.png", "prediction.png"]
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert f"Method {method} has no adapter: the features are those of the {state} ViT." in page
    assert (numbers(folder)["adapter"], numbers(folder)["blocks"]) == (None, [])


def test_size_and_padding_are_stated(run_of, inspect, tmp_path: Path) -> None:
    run = run_of("frozen")
    assert inspect(run, "--size-px", "90", "--out", str(tmp_path / "wide"))[0] == 0
    assert numbers(tmp_path / "wide")["image"]["seen_px"] == [88, 64]
    Image.new("RGB", (40, 20), (90, 120, 60)).save(tmp_path / "small.png")
    assert inspect(run, "--out", str(tmp_path / "small"), picture=tmp_path / "small.png")[0] == 0
    page = (tmp_path / "small" / "index.html").read_text(encoding="utf-8")
    assert "The model saw all of the 40 x 20 px image, padded at the right and below to 40 x 32 px" in page
    assert sum(numbers(tmp_path / "small")["predicted_share"].values()) == pytest.approx(1, abs=1e-5)
    with Image.open(tmp_path / "small" / "prediction.png") as shown:
        assert shown.getpixel((0, shown.height - 1)) == (90, 90, 90)


def test_a_pack_copied_alone_is_inspected(run_of, inspect, tmp_path: Path) -> None:
    run = run_of("earth_adapter")
    (tmp_path / "pack").mkdir()
    for name in ("adapter.safetensors", "manifest.json"):
        shutil.copy(run / name, tmp_path / "pack")
    # Neither data nor labels are needed.
    assert inspect(tmp_path / "pack" / "adapter.safetensors")[0] == 0
    inspect(run)
    assert numbers(tmp_path / "pack" / "inspect" / "tile") == numbers(run / "inspect" / "tile")


def test_nothing_is_replaced_without_overwrite(run_of, inspect) -> None:
    run = run_of("frozen")
    assert inspect(run)[0] == 0
    (run / "inspect" / "tile" / "old.png").touch()
    code, out, err = inspect(run)
    assert (code, out) == (2, "")
    assert re.match(r"error: .*/tile contains an inspection\. .*--out.*--overwrite\.", err)
    assert inspect(run, "--overwrite")[0] == 0
    assert not (run / "inspect" / "tile" / "old.png").exists()
    code, _, err = inspect(run, "--overwrite", "--out", str(run))
    assert code == 2
    assert "is not empty and contains no inspection" in err
    assert (run / "manifest.json").is_file()


def write_bad_image(path: Path, kind: str) -> None:
    if kind == "text":
        path.write_text("no image")
    elif kind == "cut off":
        Image.effect_noise((64, 64), 50).convert("RGB").save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        Image.new(kind, (64, 64)).save(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", r"There is no image .*/bad\.png\. Check --image\."),
        ("text", r"Cannot read the image .*/bad\.png: "),
        ("cut off", r"Cannot read the image .*/bad\.png: "),
        ("folder", r"Cannot read the image .*/bad\.png: "),
        ("RGBA", r".*/bad\.png is an image of mode RGBA; 8-bit RGB is needed"),
        ("I;16", r".*/bad\.png is an image of mode I;16; 8-bit RGB is needed"),
    ],
)
def test_bad_images_are_refused_before_anything_is_written(
    run_of, inspect, tmp_path: Path, kind: str, message: str
) -> None:
    run = run_of("frozen")
    write_bad_image(tmp_path / "bad.png", kind)
    code, out, err = inspect(run, picture=tmp_path / "bad.png")
    assert (code, out) == (2, "")
    assert re.match(f"error: {message}", err)
    assert not (run / "inspect").exists()


def test_bad_runs_sizes_and_folders_are_refused(run_of, inspect, tmp_path: Path) -> None:
    run = run_of("frozen")
    code, _, err = inspect(run, "--size-px", "31")
    assert (code, "--size-px is 31; it must be at least 32" in err) == (2, True)
    (tmp_path / "file").touch()
    code, _, err = inspect(run, "--out", str(tmp_path / "file"))
    assert (code, "is a file. Choose a folder with --out" in err) == (2, True)
    code, _, err = inspect(run, "--out", str(tmp_path / "file" / "below"))
    assert (code, "Cannot write to" in err) == (2, True)
    code, _, err = inspect(tmp_path / "nowhere")
    assert (code, "nowhere does not exist, so it holds no adapter pack" in err) == (2, True)
    (run / "manifest.json").unlink()
    code, _, err = inspect(run)
    assert (code, "The run is not finished: continue it with --resume." in err) == (2, True)
    assert not (run / "inspect").exists()
