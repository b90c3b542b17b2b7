"""`rs-adapt export --format`: files of the whole model that read back exactly."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from rs_adapt.backbones import load_state
from rs_adapt.backbones.dinov2 import NAMES as DINOV2
from rs_adapt.commands import main
from rs_adapt.inference.checkpoint import load_model, recompose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Train = Callable[..., tuple[Any, str, str]]

# A Mask2Former as small as it gets.
HEAD = (
    *("--head", "mask2former-small", "--set", "model.decode_head.num_points=32"),
    *("--set", "model.decode_head.channels=32", "--set", "model.decode_head.encoder_layers=1"),
    *("--set", "model.decode_head.decoder_layers=1"),
)
SIZES = ("--set", "bench.tile_px=64", "--set", "bench.crop_px=64", "--set", "bench.inference.mode='whole'")


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    shown = capsys.readouterr()
    return stop.value.code or 0, shown.out, shown.err


def output(model: Any) -> torch.Tensor:
    """Return the mask logits or scores of one image."""
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        given = model.decode_head(model.extract_feat(image))
    return given if isinstance(given, torch.Tensor) else given[1][-1]


@pytest.mark.parametrize("method", ["earth-adapter", pytest.param("rein", marks=pytest.mark.slow)])
def test_mmseg_reads_back_exactly(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    code, _, err = train("--method", method, *HEAD, bench="loveda-dg")
    assert code == 0, err
    run, file = tmp_path / "run", tmp_path / "out" / "mmseg.pth"
    code, out, err = call(capsys, "export", str(run), "--format", "mmseg", "--out", str(tmp_path / "out"))
    assert code == 0, err
    assert "out/mmseg.pth: " in out
    content = torch.load(file, weights_only=True)
    assert content["meta"]["dataset_meta"]["classes"][:2] == ("background", "building")
    assert str(tmp_path) not in str(content["meta"])
    prefixes = {".".join(name.split(".")[:2]) for name in content["state_dict"] if name.startswith("backbone.")}
    adapter = {"earth-adapter": "backbone.refine_feat", "rein": "backbone.reins"}[method]
    assert prefixes == {"backbone.blocks", "backbone.cls_token", "backbone.pos_embed", "backbone.patch_embed", adapter}
    # The backbone as base weights, and adapter and head as a pack on the run's own base.
    trained = load_model(recompose(run), run, device="cpu")
    again = load_state(file, DINOV2)
    assert all(torch.equal(again[name], value) for name, value in trained.backbone.base_parameters().items())
    kind = ("--as", method, "--bench", "loveda-dg", "--backbone", "dinov2-nano", *SIZES)
    code, out, err = call(capsys, "weights", "import", str(file), *kind, "--out", str(tmp_path / "pack"))
    assert code == 0, err
    assert "the backbone in the file is equal" in out
    first, second = (load_file(folder / "adapter.safetensors") for folder in (run, tmp_path / "pack"))
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    pack = load_model(recompose(tmp_path / "pack"), tmp_path / "pack", device="cpu")
    assert torch.equal(output(pack), output(trained))


def test_a_merged_model_goes_to_mmseg_and_back(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = train("--method", "lora", *HEAD, "--set", "optim.lr=0.02", bench="loveda-dg")
    assert code == 0, err
    run, out = str(tmp_path / "run"), str(tmp_path / "out")
    code, _, err = call(capsys, "export", run, "--format", "mmseg", "--out", out)
    assert code == 2
    assert "no names for the tensors of Lora. Add --merge" in err
    assert not (tmp_path / "out").exists()
    assert call(capsys, "export", run, "--format", "mmseg", "--merge", "--out", out)[0] == 0
    file = tmp_path / "out" / "mmseg.pth"
    kind = ("--as", "mask2former", "--bench", "loveda-dg", "--backbone", "dinov2-nano", *SIZES)
    pack = ("--out", str(tmp_path / "pack"))
    code, _, err = call(capsys, "weights", "import", str(file), *kind, *pack)
    assert code == 2
    assert "differs from the base weights" in err
    code, _, err = call(capsys, "weights", "import", str(file), *kind, *pack, "--weights", str(file))
    assert code == 0, err
    merged = load_model(recompose(tmp_path / "pack", weights=str(file)), tmp_path / "pack", device="cpu")
    trained = load_model(recompose(tmp_path / "run"), tmp_path / "run", device="cpu")
    torch.testing.assert_close(output(merged), output(trained), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("method", ["lora", "vpt"])
def test_safetensors_have_the_whole_model(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    assert train("--method", method, bench="loveda-dg")[0] == 0
    run, file = tmp_path / "run", tmp_path / "out" / "model.safetensors"
    code, _, err = call(capsys, "export", str(run), "--format", "safetensors", "--out", str(tmp_path / "out"))
    assert code == 0, err
    trained = load_model(recompose(run), run, device="cpu")
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}
    assert json.loads(header["classes"])[:2] == ["background", "building"]
    assert json.loads(header["cell"])["method"] == method
    own = {name: value for name, value in trained.state_dict().items() if ".adapter." in name or "head" in name}
    assert {name for name in tensors if not name.startswith("backbone.")} == {n for n in own if "head" in n}
    assert all(torch.equal(tensors[name], value) for name, value in own.items())
    base = load_state(file, DINOV2)
    assert all(torch.equal(base[name], value) for name, value in trained.backbone.base_parameters().items())
    assert len(tensors) == len(own) + len(base)


def test_safetensors_of_a_merged_model_have_no_adapter(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("--method", "bitfit", "--set", "optim.lr=0.02", bench="loveda-dg")[0] == 0
    run = str(tmp_path / "run")
    code, _, err = call(capsys, "export", run, "--format", "safetensors", "--merge", "--out", str(tmp_path / "out"))
    assert code == 0, err
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert not any("adapter" in name for name in tensors)
    assert call(capsys, "export", run, "--merge", "--out", str(tmp_path / "merged"))[0] == 0
    merged = load_state(tmp_path / "merged" / "backbone.safetensors", DINOV2)
    again = load_state(tmp_path / "out" / "model.safetensors", DINOV2)
    assert merged.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in merged.items())


@pytest.mark.parametrize(
    ("method", "head", "arguments", "message"),
    [
        ("adaptformer", HEAD, (), "for the tensors of AdaptFormer. It cannot be folded .* either: .*activation"),
        pytest.param("earth-adapter", HEAD, ("--merge",), "EarthAdapter cannot be merged", marks=pytest.mark.slow),
        ("frozen", (), (), "no names for the tensors of LinearHead"),
        pytest.param("frozen", HEAD, ("--merge",), "nothing to merge", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_models_without_mmseg_names_are_refused_and_nothing_is_written(
    train: Train, tmp_path: Path, capsys, method: str, head: tuple[str, ...], arguments: tuple[str, ...], message: str
) -> None:
    assert train("--method", method, *head, bench="loveda-dg")[0] == 0
    place = ("--out", str(tmp_path / "out"))
    code, out, err = call(capsys, "export", str(tmp_path / "run"), "--format", "mmseg", *arguments, *place)
    assert (code, out) == (2, "")
    assert re.search(message, err)
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_an_unknown_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "export", str(tmp_path), "--format", "caffe", "--out", str(tmp_path / "out"))
    assert code == 2
    assert "Invalid value for '--format'" in err
