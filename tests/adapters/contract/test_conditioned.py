"""DCPL and QNet: prompts follow the image's frozen feature, and noise comes when it should."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Dcpl, QNet
from rs_adapt.errors import ConfigError

SMALL = {"embed_dim": 32, "depth": 4, "num_tokens": 3, "prompt_dim": 8, "hidden": 5}
Kind = type[Dcpl] | type[QNet]
both = pytest.mark.parametrize("kind", [Dcpl, QNet])


def prompts(adapter: Dcpl | QNet, tokens_BND: Tensor, layer: int = 1) -> Tensor:
    adapter.prepare(lambda: tokens_BND)
    found = adapter.tokens(layer)
    assert found is not None
    return found.detach()


@both
def test_prompts_follow_their_formula(kind: Kind) -> None:
    adapter = kind(**SMALL, noise="off")
    tokens = torch.randn(2, 7, 32)
    side = tokens[:, 1:].mean(dim=1)
    inner = adapter.prompts[2] + adapter.expand(adapter.squeeze(side).relu())[:, None]
    layer = adapter.projections[2]
    given = inner if kind is Dcpl else torch.cat([torch.zeros_like(inner), inner], dim=-1)
    torch.testing.assert_close(prompts(adapter, tokens, layer=2), layer(given))


@both
def test_depends_on_the_patches_and_not_on_the_prefix(kind: Kind) -> None:
    adapter, tokens = kind(**SMALL, noise="off"), torch.randn(2, 7, 32)
    first = prompts(adapter, tokens)
    assert first.shape == (2, 3, 32)
    assert not torch.equal(first[0], first[1])
    other_cls = tokens.clone()
    other_cls[:, 0] += 1
    assert torch.equal(prompts(adapter, other_cls), first)


@both
@pytest.mark.parametrize(
    ("noise", "in_training", "in_prediction"), [("train", True, False), ("always", True, True), ("off", False, False)]
)
def test_noise_is_added_only_when_the_setting_says_so(
    kind: Kind, noise: str, in_training: bool, in_prediction: bool
) -> None:
    adapter, tokens = kind(**SMALL, noise=noise), torch.randn(2, 7, 32)
    for training, expected in ((True, in_training), (False, in_prediction)):
        adapter.train(training)
        assert torch.equal(prompts(adapter, tokens), prompts(adapter, tokens)) != expected
    torch.manual_seed(5)
    adapter.train()
    one = prompts(adapter, tokens)
    torch.manual_seed(5)
    assert torch.equal(prompts(adapter, tokens), one)


@both
@pytest.mark.parametrize("vit_name", ["tiny", "dinov2", "dinov2_swiglu"])
def test_side_feature_comes_from_the_frozen_vit(
    vit_maker: Callable[[str], Callable[[], nn.Module]], vit_name: str, kind: Kind
) -> None:
    make_vit = vit_maker(vit_name)
    vit, seen = make_vit(), []
    adapter = kind(**SMALL, noise="off")
    plain, image = make_vit(), torch.randn(2, 3, 32, 48)
    vit.adapter, plain.adapter = adapter, kind(**SMALL)
    with torch.no_grad():
        adapter.prompts += 1
    prepare = adapter.prepare
    adapter.prepare = lambda base: (seen.append(base()), prepare(base))[1]  # type: ignore[method-assign]
    vit(image)
    assert not seen[0].requires_grad
    torch.testing.assert_close(seen[0], plain.base_tokens(image))


def test_parameter_counts_are_the_closed_form() -> None:
    # The projections are the only difference: a dense layer of 64 x 768 against a quaternion one of 128 x 768.
    facts = {"embed_dim": 768, "depth": 12, "num_tokens": 2, "prompt_dim": 512, "hidden": 32}
    assert QNet.num_params(**facts) - Dcpl.num_params(**facts) == 12 * (2 * 512 * 768 // 4 - 512 * 768)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QNet(**SMALL | {"prompt_dim": 6}), "multiple of 4"),
        (lambda: Dcpl(**SMALL | {"hidden": 0}), "hidden is 0"),
        (lambda: Dcpl(**SMALL, noise="test"), "Allowed: train, always, off"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
