"""`rs-adapt train` on every family of ViTs, made tiny by `--set`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from mmengine.config import Config

from rs_adapt.commands import main
from rs_adapt.inference.checkpoint import load_model, recompose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Train = Callable[..., tuple[Any, str, str]]

TINY = {"embed_dim": 32, "depth": 4, "num_heads": 2, "out_layers": [0, 1, 2, 3]}
FAMILIES: dict[str, dict[str, Any]] = {
    "dinov2-l-reg": {"image_px": 64},
    "dinov3-l-sat": {"mlp_dim": 72},
    "clip-l-14": {"image_px": 64},
    "sam-b": {"image_px": 64, "window": 3, "global_layers": [1, 3]},
    "scale-mae-l": {},
    "prithvi-2-l": {"image_px": 64},
}
CLASSES = {
    "dinov2-l-reg": "Dinov2",
    "dinov3-l-sat": "Dinov3",
    "clip-l-14": "Clip",
    "sam-b": "Sam",
    "scale-mae-l": "ScaleMae",
    "prithvi-2-l": "PlainVit",
}
# The colour that becomes zero in the model.
MEAN = {
    "dinov2-l-reg": [123.675, 116.28, 103.53],
    "dinov3-l-sat": [109.65, 104.805, 75.48],
    "clip-l-14": [122.7709383, 116.7460125, 104.09373615],
    "sam-b": [123.675, 116.28, 103.53],
    "scale-mae-l": [123.675, 116.28, 103.53],
    "prithvi-2-l": [36.5415, 34.221, 27.7185],
}


# Of each kind of position code one: learned, rotary, in windows, in metres.
@pytest.mark.parametrize(
    "backbone",
    [pytest.param(name, marks=[pytest.mark.slow] if name in ("clip-l-14", "prithvi-2-l") else []) for name in FAMILIES],
)
def test_trains_and_loads_again(train: Train, tmp_path: Path, backbone: str) -> None:
    sizes = [f"model.backbone.{key}={value}" for key, value in (TINY | FAMILIES[backbone]).items()]
    options = [part for size in sizes for part in ("--set", size)]
    code, out, err = train("--backbone", backbone, "--weights", "random", *options)
    assert code == 0, err
    assert "mIoU" in out
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["status"] == "finished"
    cfg = Config.fromfile(str(tmp_path / "run" / "config.py"), import_custom_modules=False)
    assert cfg.model.segmentor.data_preprocessor.mean == pytest.approx(MEAN[backbone])
    model = load_model(recompose(tmp_path / "run"), tmp_path / "run", device="cpu")
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx(MEAN[backbone])
    assert type(model.backbone).__name__ == CLASSES[backbone]
    if backbone == "scale-mae-l":
        # LoveDA's.
        assert model.backbone.embeddings.gsd_m == 0.3


@pytest.mark.parametrize("method", ["vpt", "qnet", "lora+vpt"])
def test_prompt_methods_are_refused_where_attention_is_in_windows(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["show", "--bench", "loveda-da", "--backbone", "sam-b", "--method", method])
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert f"Method {method} does not work with backbone sam_b: it adds tokens" in shown.err
    assert shown.out == ""
