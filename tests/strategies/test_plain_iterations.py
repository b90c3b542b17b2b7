"""Whole iterations of adaptation, against the same written out in plain PyTorch (`tests/golden/make_da_iterations.py`).

The configuration is composed as for a run, and model, optimizer and schedule are built from it; only the ViT is tiny.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from safetensors import safe_open
from torch import Tensor

from rs_adapt.adapters.earth_adapter import EarthAdapter
from rs_adapt.backbones import Dinov2
from rs_adapt.config import compose, resolve_cell
from rs_adapt.registry import MODELS, load_libraries

FOLDER = Path(__file__).parents[1] / "golden"
# The plain formulation computes in float64, the package in float32. Largest difference seen: 2.4e-7.
TOLERANCE = 1e-6
STEPS = 3


class Golden(NamedTuple):
    settings: dict[str, Any]
    tensors: dict[str, Tensor]

    def part(self, start: str) -> dict[str, Tensor]:
        return {name.removeprefix(start): value for name, value in self.tensors.items() if name.startswith(start)}

    def trained(self, joined: Tensor) -> dict[str, Tensor]:
        """Return the weights of a joined vector, under the names of the segmentor's parameters."""
        shapes = {name: value.shape for name, value in sorted(self.part("start.").items())}
        pieces = joined.split([shape.numel() for shape in shapes.values()])
        plain = {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        adapter = {k.removeprefix("adapter."): v for k, v in plain.items() if k.startswith("adapter.")}
        named = {f"backbone.adapter.{k}": v for k, v in EarthAdapter.convert_reference(adapter).items()}
        levels = plain["head.classifier.weight"].split(self.settings["width"], dim=1)
        named |= {f"decode_head.classifiers.{i}.weight": level for i, level in enumerate(levels)}
        named["decode_head.classifiers.0.bias"] = plain["head.classifier.bias"]
        return named | {k.replace("head.norm", "decode_head.norms"): v for k, v in plain.items() if "head.norm" in k}

    def batches(self, step: int) -> dict[str, Any]:
        def domain(name: str) -> dict[str, Any]:
            images = [self.tensors[f"image.{step}.{name}.{i}"] for i in range(2)]
            samples = [
                SegDataSample(metainfo={"img_shape": image.shape[1:], "ori_shape": image.shape[1:]}) for image in images
            ]
            if name == "source":
                for i, sample in enumerate(samples):
                    sample.gt_sem_seg = PixelData(data=self.tensors[f"label.{step}.{i}"].long()[None])
            return {"inputs": images, "data_samples": samples}

        return {name: domain(name) for name in ("source", "target")}


@pytest.fixture(scope="module")
def golden() -> Golden:
    return read(FOLDER / "da_iterations.safetensors")


def read(path: Path) -> Golden:
    with safe_open(str(path), "pt") as file:
        return Golden(json.loads(file.metadata()["settings"]), {key: file.get_tensor(key) for key in file.keys()})


def composed(golden: Golden, strategy: str) -> Any:
    plain, case = golden.settings, golden.settings["cases"][strategy]
    texts = {
        "bench.crop_px": plain["side_px"],
        "bench.tile_px": plain["side_px"],
        "bench.inference.mode": "'whole'",
        "bench.schedule.iters": plain["schedule"],
        "model.backbone.embed_dim": plain["width"],
        "model.backbone.depth": plain["depth"],
        "model.backbone.num_heads": plain["heads"],
        "model.backbone.patch_px": plain["patch_px"],
        "model.backbone.image_px": plain["side_px"],
        "model.backbone.out_layers": plain["levels"],
        "model.backbone.level_scales": plain["level_scales"],
        "model.backbone.adapter.rank": plain["rank"],
        "model.backbone.adapter.frequency_layers": plain["frequency_layers"],
        "model.backbone.adapter.cutoff": plain["cutoff"],
        "optim.lr": plain["lr"],
        "optim.weight_decay": plain["weight_decay"],
        "optim.poly_power": plain["power"],
        "strategy.warmup_iters": plain["warmup"],
        "strategy.lr_warmup_iters": case["rise"],
        "strategy.ema_decay": plain["ema_decay"],
        "strategy.confidence": case["confidence"],
        # Random, and so no part of the vector.
        "strategy.jitter_prob": 0.0,
        "strategy.blur_prob": 0.0,
    }
    cell = resolve_cell("loveda-da", backbone="dinov2-nano", head="linear", strategy=strategy)
    return compose(cell, overrides=[f"{key}={value}" for key, value in texts.items()], weights="random")


def step_through(golden: Golden, strategy: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """Train, and yield the model and the losses by name after each iteration."""
    cfg = composed(golden, strategy)
    load_libraries()
    model = MODELS.build(cfg.model.to_dict()).train()
    assert model.mix_weight == golden.settings["cases"][strategy]["mix_weight"]
    assert model.mix_classes == golden.settings["cases"][strategy]["classes_of"]
    start = torch.cat([value.flatten() for _, value in sorted(golden.part("start.").items())])
    state = {f"backbone.{k}": v for k, v in Dinov2.convert_reference(golden.part("frozen.")).items()}
    left = model.segmentor.load_state_dict(state | golden.trained(start), strict=False)
    assert not left.unexpected_keys
    assert not [name for name in left.missing_keys if "mask_token" not in name]
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    schedulers = [
        PARAM_SCHEDULERS.build(settings.to_dict(), default_args={"optimizer": optimizer})
        for settings in cfg.param_scheduler
    ]
    # Draws are those of the vector, in the order and of the sizes that the package asks for.
    drawn = iter(golden.part(f"{strategy}.draw.").items())

    def recorded(size: int, **_: Any) -> Tensor:
        order = next(drawn)[1]
        assert len(order) == size
        return order

    monkeypatch.setattr(torch, "randperm", recorded)
    for step in range(STEPS):
        losses = model.train_step(golden.batches(step), optimizer)
        for scheduler in schedulers:
            scheduler.step()
        yield model, losses
    assert next(drawn, None) is None


@pytest.mark.parametrize("strategy", ["dacs", "dacs_conf"])
def test_losses_weights_and_teacher_are_those_of_the_plain_formulation(
    strategy: str, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = golden.part(f"{strategy}.")
    for step, (model, losses) in enumerate(step_through(golden, strategy, monkeypatch)):
        on_source, on_mixture = expected["losses"][step].tolist()
        named = {"source.decode.loss_ce": on_source} | ({"mix.decode.loss_ce": on_mixture} if step else {})
        measured = {name: float(value.detach()) for name, value in losses.items()}
        assert measured == pytest.approx({"loss": on_source + on_mixture, **named}, rel=0, abs=TOLERANCE)
        student = {name: value for name, value in model.segmentor.named_parameters() if value.requires_grad}
        for part, weights in (("teacher", model.ema.weights()), ("student", student)):
            plain = golden.trained(expected[part][step])
            assert plain.keys() == weights.keys()
            for name, value in weights.items():
                torch.testing.assert_close(
                    value.detach(), plain[name], rtol=0, atol=TOLERANCE, msg=f"{step} {part} {name}"
                )


def test_the_stored_iterations_are_those_of_the_script(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again.safetensors"
    monkeypatch.setattr("sys.argv", ["make_da_iterations.py", str(again)])
    runpy.run_path(str(FOLDER / "make_da_iterations.py"), run_name="__main__")
    made = read(again)
    assert made.settings == golden.settings
    assert made.tensors.keys() == golden.tensors.keys()
    for name, value in made.tensors.items():
        torch.testing.assert_close(value, golden.tensors[name], rtol=0, atol=TOLERANCE)
