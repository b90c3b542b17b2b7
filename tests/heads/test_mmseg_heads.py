"""Heads on mmsegmentation's layers: UPerNet, DPT and Segmenter, and what stands in for its batch norm and drop-out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from rs_adapt.errors import ConfigError
from rs_adapt.heads import DptHead, SegmenterHead, UperNetHead
from rs_adapt.heads.mmseg_parts import ChannelDropout

BUILT: dict[str, Any] = {
    "upernet": lambda **more: UperNetHead(in_channels=[16] * 4, num_classes=2, **{"channels": 32, **more}),
    "dpt": lambda **more: DptHead(
        in_channels=[16] * 4, num_classes=2, **{"channels": 32, "level_channels": [4, 6, 8, 10], **more}
    ),
    "segmenter": lambda **more: SegmenterHead(in_channels=[16] * 4, num_classes=2, **more),
}


def tokens(h: int = 4, w: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 16, h, w, generator=generator) for _ in range(4)]


@pytest.mark.parametrize(("name", "grid_hw"), [("upernet", (4, 6)), ("dpt", (32, 48)), ("segmenter", (4, 6))])
def test_logits_of_every_class_on_the_heads_grid(name: str, grid_hw: tuple[int, int]) -> None:
    assert BUILT[name]()(tokens()).shape == (2, 2, *grid_hw)


def test_dpt_takes_grids_of_any_size() -> None:
    assert BUILT["dpt"]()(tokens(5, 7)).shape == (2, 2, 48, 64)


@pytest.mark.parametrize("name", BUILT)
def test_an_image_does_not_depend_on_the_others_of_its_batch(name: str) -> None:
    head = BUILT[name](**({} if name == "segmenter" else {"dropout": 0.0})).train()
    assert not any(isinstance(module, _BatchNorm) for module in head.modules())
    features = tokens()
    torch.testing.assert_close(head(features)[1:], head([x[1:] for x in features]), atol=1e-5, rtol=1e-5)


def test_segmenter_scores_by_cosines_of_classes_and_patches() -> None:
    torch.manual_seed(0)
    head = BUILT["segmenter"]()
    net, x = head.net, tokens()[-1]
    tokens_BND = torch.cat([net.dec_proj(x.flatten(2).transpose(1, 2)), net.cls_emb.expand(2, -1, -1)], dim=1)
    for layer in net.layers:
        tokens_BND = layer(tokens_BND)
    tokens_BND = net.decoder_norm(tokens_BND)
    patches = F.normalize(tokens_BND[:, :24] @ net.patch_proj.weight.T, dim=-1)
    classes = F.normalize(tokens_BND[:, 24:] @ net.classes_proj.weight.T, dim=-1)
    expected = net.mask_norm(patches @ classes.mT).transpose(1, 2).unflatten(2, (4, 6))
    torch.testing.assert_close(head([x * 0, x * 0, x * 0, x]), expected)


def test_segmenter_parameters_are_those_of_two_layers_classes_and_projections() -> None:
    width, classes = 16, 2
    layer = 12 * width**2 + 13 * width
    rest = (width**2 + width) + classes * width + 2 * width**2 + 2 * width + 2 * classes
    assert sum(p.numel() for p in BUILT["segmenter"]().parameters()) == 2 * layer + rest


def test_start_values_of_the_classifiers_are_small_and_of_zero_mean() -> None:
    for name in ("upernet", "dpt"):
        classifier = BUILT[name]().net.conv_seg
        assert classifier.weight.abs().max() < 0.06
        assert not classifier.bias.any()


def test_dropout_drops_whole_channels_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    drop, x = ChannelDropout(0.25), torch.ones(4, 2000, 2, 3)
    y = drop.train()(x)
    assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert torch.equal(y[..., :1, :1].expand_as(y), y)
    assert y.mean() == pytest.approx(1, abs=0.05)
    assert drop.eval()(x) is x


def test_dropout_of_two_processes_is_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    drop, x = ChannelDropout(0.5), torch.ones(4, 8, 1, 1)
    torch.manual_seed(0)
    whole = drop(x)
    monkeypatch.setattr("rs_adapt.processes.get_dist_info", lambda: (1, 2))
    monkeypatch.setattr("rs_adapt.processes.generator", lambda device: None)
    torch.manual_seed(0)
    torch.testing.assert_close(drop(x[1::2]), whole[1::2])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("upernet", {"channels": 36}, "UperNetHead got channels=36; it must be a multiple of 8, above 256 of 32"),
        ("upernet", {"channels": 264}, "got channels=264; it must be a multiple of 8, above 256 of 32"),
        ("dpt", {"channels": 0}, r"DptHead.*channels is 0"),
        ("dpt", {"level_channels": [4, 6, 8]}, "level_channels"),
        ("dpt", {"in_channels": [16] * 3}, "it needs 4 maps of one width"),
        ("upernet", {"dropout": 1.0}, "dropout is 1.0"),
        ("segmenter", {"num_heads": 3}, "num_heads=3 for a width of 16; it must divide the width"),
        ("segmenter", {"num_layers": 0}, "num_layers is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    build = {"upernet": UperNetHead, "dpt": DptHead, "segmenter": SegmenterHead}[name]
    with pytest.raises(ConfigError, match=message):
        build(**{"in_channels": [16] * 4, "num_classes": 2, **arguments})
