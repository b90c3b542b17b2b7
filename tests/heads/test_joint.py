"""Queries among patches: which of them see what, when, and what they predict; EoMT and PMT on toy features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.backbones import Dinov2, Dinov3
from rs_adapt.errors import ConfigError
from rs_adapt.heads import EomtHead, PmtHead
from rs_adapt.heads.annealing import MaskAnnealing
from rs_adapt.heads.joint import attention_within
from rs_adapt.strategies.pair import samples_of

SETTINGS: dict[str, Any] = {"num_classes": 3, "num_queries": 5, "total_iters": 12, "num_points": 32}


def vit(**changes: Any) -> Dinov2:
    sizes = {"embed_dim": 32, "depth": 4, "num_heads": 2, "patch_px": 8, "image_px": 32}
    return Dinov2(**sizes | {"out_layers": (1,), "level_scales": (1.0,)} | changes)


def eomt(**changes: Any) -> EomtHead:
    torch.manual_seed(0)
    return EomtHead(**SETTINGS | {"in_channels": [32], "joint_blocks": 2} | changes)


def pmt(**changes: Any) -> PmtHead:
    torch.manual_seed(0)
    return PmtHead(**SETTINGS | {"in_channels": [32] * 4, "num_blocks": 2} | changes)


def tokens() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 32, 4, 6, generator=generator) for _ in range(4)]


def test_masks_fade_block_by_block_and_are_gone_in_the_last_part() -> None:
    annealing = MaskAnnealing(num_blocks=2, total_iters=8)
    shares = []
    for _ in range(9):
        shares.append([annealing.share(block) for block in range(2)])
        annealing.step()
    # Four parts of two iterations: block 0 fades in the second, block 1 in the third.
    assert shares == [[1, 1], [1, 1], [1, 1], [0.5, 1], [0, 1], [0, 0.5], [0, 0], [0, 0], [0, 0]]


def test_evaluation_masks_the_blocks_that_training_masks_for_the_most_part() -> None:
    annealing = MaskAnnealing(num_blocks=2, total_iters=16).eval()
    shares = []
    for _ in range(16):
        shares.append([annealing.share(block) for block in range(2)])
        annealing.step()
    assert [int(first) for first, _ in shares] == [1] * 7 + [0] * 9
    assert [int(second) for _, second in shares] == [1] * 11 + [0] * 5


def test_a_loaded_state_says_how_far_the_training_was() -> None:
    trained = MaskAnnealing(num_blocks=2, total_iters=8)
    for _ in range(8):
        trained.step()
    other = torch.nn.ModuleDict({"annealing": MaskAnnealing(num_blocks=2, total_iters=1000)})
    other.load_state_dict({f"annealing.{name}": value for name, value in trained.state_dict().items()})
    assert [other["annealing"].share(block) for block in range(2)] == [0, 0]


def test_queries_see_the_patches_within_their_masks() -> None:
    mask = torch.full((1, 3, 4, 4), -1.0)
    mask[0, 0, :2, :2] = 1
    mask[0, 1, 2:, 2:] = 1
    seen = attention_within(mask, (2, 2), start=1, share=1.0)
    assert seen.shape == (1, 1, 8, 8)
    yes, no = True, False
    # One prefix token, three queries, four patches; the third query has an empty mask.
    assert seen[0, 0].tolist() == [
        [yes] * 8,
        [*[yes] * 4, yes, no, no, no],
        [*[yes] * 4, no, no, no, yes],
        [yes] * 8,
        *[[yes] * 8] * 4,
    ]


def test_the_share_says_how_many_queries_are_masked() -> None:
    torch.manual_seed(0)
    left_half = torch.tensor([1.0, -1.0]).expand(4, 500, 2, 2)
    seen = attention_within(left_half, (2, 2), start=0, share=0.3)
    masked = ~seen[:, 0, :500, 500:].all(dim=-1)
    assert masked.float().mean() == pytest.approx(0.3, abs=0.04)


@pytest.mark.parametrize("build", [eomt, pmt])
def test_training_predicts_before_every_block_and_a_finished_model_once(build: Any) -> None:
    head = build()
    features = vit()(torch.randn(2, 3, 32, 48)) if build is eomt else tokens()
    classes, masks = head(features)
    assert [x.shape for x in classes] == [(2, 5, 4)] * 3
    assert [x.shape for x in masks] == [(2, 5, 16, 24)] * 3
    # The training has only begun: the masks of the next block are needed.
    assert len(head.eval()(features)[0]) == 3
    for _ in range(12):
        head.after_step()
    assert len(head(features)[0]) == 1
    assert len(head.train()(features)[0]) == 3


def test_eomt_without_masks_is_the_vit_with_more_tokens() -> None:
    backbone, head = vit().eval(), eomt(upscale_blocks=0).eval()
    head.finish()
    images = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        x = backbone.embed(images)
        for layer in range(4):
            if layer == 2:
                x = torch.cat([x[:, :1], head.query_embed.weight.expand(2, -1, -1), x[:, 1:]], dim=1)
            x = backbone.run_block(layer, x, None)
        x = head.norm(x)
        classes, masks = head(backbone(images))
        torch.testing.assert_close(classes[-1], head.cls_embed(x[:, 1:6]))
        expected = head.mask_embed(x[:, 1:6]) @ x[:, 6:].mT
        torch.testing.assert_close(masks[-1], expected.unflatten(2, (4, 6)))


def test_eomt_trains_the_blocks_of_a_vit_that_trains_and_no_other_vit() -> None:
    labels = torch.randint(0, 3, (2, 32, 48))
    for frozen in (False, True):
        backbone, head = vit(frozen=frozen), eomt()
        features = backbone(torch.randn(2, 3, 32, 48))
        sum(head.loss(features, samples_of(labels), None).values()).backward()
        assert all(parameter.grad is not None for parameter in head.parameters())
        in_last_block = [parameter.grad is not None for parameter in backbone.layers[3].parameters()]
        assert all(in_last_block) if not frozen else not any(in_last_block)


def test_eomt_needs_the_blocks_that_it_is_to_run() -> None:
    images = torch.randn(1, 3, 32, 32)
    with pytest.raises(ConfigError, match="runs the last 2 blocks, but the backbone has left 1"):
        eomt()(vit(out_layers=(2,))(images))
    with pytest.raises(ConfigError, match="has left 0 of them"):
        eomt()(vit(out_layers=(3,))(images))
    with pytest.raises(ConfigError, match="got 4 levels in `in_channels`; it needs 1"):
        eomt(in_channels=[32] * 4)


def test_pmt_sums_normed_levels_with_a_scaled_mlp() -> None:
    head = pmt()
    x = torch.randn(2, 24, 32)
    lateral = head.laterals[0]
    normed = torch.nn.functional.layer_norm(x, (32,), eps=1e-6)
    torch.testing.assert_close(lateral(x), normed + 0.1 * lateral.mlp(normed))
    with torch.no_grad():
        for part in head.laterals:
            part.scale.zero_()
    seen: list[Tensor] = []
    head.blocks.run = lambda number, tokens_BND, rotation, attend: seen.append(tokens_BND) or tokens_BND
    head(tokens())
    expected = sum(torch.nn.functional.layer_norm(x.flatten(2).mT, (32,), eps=1e-6) for x in tokens())
    torch.testing.assert_close(seen[0][:, 5:], expected)


def test_pmt_knows_where_patches_are() -> None:
    head = pmt(upscale_blocks=0).eval()
    head.finish()
    features = tokens()
    shuffled = [x.flip(3) for x in features]
    straight, turned = head(features)[1][-1], head(shuffled)[1][-1].flip(3)
    assert not torch.allclose(straight, turned, atol=1e-3)


def test_positions_are_those_of_dinov3() -> None:
    theirs = Dinov3(embed_dim=32, depth=1, num_heads=2, mlp_dim=64, patch_px=8, out_layers=(0,), level_scales=(1.0,))
    expected = theirs.block_context(torch.zeros(1, 3, 32, 48))
    found = pmt(num_heads=2).blocks.rotation((4, 6), like=torch.zeros(1))
    for ours, other in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, other)


def test_parameter_counts_are_the_closed_forms() -> None:
    width, queries, classes = 32, 5, 3
    doubling = 4 * width**2 + width + 9 * width + 2 * width
    read = queries * width + 2 * width + (width + 1) * (classes + 1) + 3 * (width**2 + width) + 2 * doubling
    assert sum(p.numel() for p in eomt().parameters()) == read
    lateral = 2 * width + 2 * (width**2 + width) + width
    block = 12 * width**2 + 14 * width
    assert sum(p.numel() for p in pmt().parameters()) == read + 4 * lateral + 2 * block


@pytest.mark.parametrize("build", [eomt, pmt])
def test_several_images_are_predicted_as_each_alone(build: Any) -> None:
    head, backbone = build().eval(), vit().eval()
    images = torch.randn(2, 3, 32, 48)
    metas = [{"img_shape": (32, 48)}]
    with torch.no_grad():
        both = backbone(images) if build is eomt else tokens()
        one = backbone(images[1:]) if build is eomt else [x[1:] for x in tokens()]
        scores = head.predict(both, metas * 2, None)
        torch.testing.assert_close(scores[1:], head.predict(one, metas, None), atol=1e-5, rtol=1e-5)
    assert scores.shape == (2, 3, 32, 48)
    assert (scores >= 0).all()
