"""Formulas and counts of the methods, on random towers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from rs_adapt.adapters import attach
from rs_adapt.backbones.class_tokens import class_tokens
from rs_adapt.classification import (
    ClassNames,
    CoCoOp,
    CoOp,
    DomainControlled,
    LinearProbe,
    MaPLe,
    QuaternionPrompts,
    ZeroShot,
)
from rs_adapt.classification.learners.contract import Conditions, PromptLearner
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 12, "depth": 3, "text_width": 16, "text_depth": 3, "text_dim": 64, "domain_dim": 6}
FACTS |= {"num_trained": 2}
# CLIP ViT-B/16 with a domain feature of 512, as the published counts have it.
PUBLISHED = {"embed_dim": 768, "depth": 12, "text_width": 512, "text_depth": 12, "text_dim": 512, "domain_dim": 512}
PUBLISHED |= {"num_trained": 15}
METHODS: list[type[Any]] = [ZeroShot, LinearProbe, CoOp, CoCoOp, MaPLe, DomainControlled, QuaternionPrompts]


def arguments(method: type[Any], facts: dict[str, int]) -> dict[str, int]:
    names = method.__init__.__kwdefaults__ or {}
    code = method.__init__.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {key: value for key, value in facts.items() if key in own and key not in names}


@pytest.fixture(scope="module")
def head() -> ClassNames:
    return ClassNames(
        num_classes=3,
        class_texts=["forest", "river", "parking lot"],
        trained_texts=["forest", "river"],
        candidates=[0, 0, 1],
        templates=["an aerial image of {}."],
        in_channels=[12],
        text_dim=64,
        text_width=16,
        text_depth=3,
        text_heads=2,
    )


@pytest.fixture
def conditions() -> Conditions:
    generator = torch.Generator().manual_seed(0)
    image_BC = normalize(torch.randn(2, 64, generator=generator), dim=1)
    return Conditions(image_BC=image_BC, domain_BF=torch.randn(2, 6, generator=generator))


def build(method: type[Any], head: ClassNames, **settings: object) -> Any:
    torch.manual_seed(0)
    learner = method(**arguments(method, FACTS), **settings)
    learner.start(head)
    return learner


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (ZeroShot, 0),
        (LinearProbe, 7_680),
        (CoOp, 2_048),
        (CoCoOp, 35_360),
        (MaPLe, 3_555_072),
        (DomainControlled, 3_621_696),
        (QuaternionPrompts, 2_147_104),
    ],
)
def test_published_counts(method: type[Any], expected: int) -> None:
    with torch.device("meta"):
        learner = method(**arguments(method, PUBLISHED))
    assert sum(p.numel() for p in learner.parameters()) == expected
    assert method.num_params(**arguments(method, PUBLISHED)) == expected


def test_parts_of_the_published_count_of_quaternions() -> None:
    with torch.device("meta"):
        learner = QuaternionPrompts(**arguments(QuaternionPrompts, PUBLISHED))

    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    assert count(learner.text_layer) == 131_584
    assert count(learner.projections) == 1_579_008
    assert count(learner.net) == 33_312
    assert count(learner.first) == 393_984


@pytest.mark.parametrize("method", METHODS)
def test_contract(method: type[Any], head: ClassNames, conditions: Conditions) -> None:
    for settings in method.examples():
        learner = build(method, head, **settings)
        vit = nn.Module()
        attach(learner, vit)
        assert isinstance(learner, PromptLearner)
        counted = {k: v for k, v in settings.items() if k not in ("noise", "start_words", "sides")}
        assert sum(p.numel() for p in learner.parameters()) == method.num_params(**arguments(method, FACTS), **counted)
        texts = learner.class_vectors(head, "trained", conditions)
        assert texts.shape[-2:] == (2, 64)
        assert learner.class_vectors(head, "scored", conditions).shape[-2:] == (3, 64)
        image_BC = learner.image_vectors(torch.randn(2, 64), conditions)
        total = (texts * torch.randn_like(texts)).sum() + image_BC.sum()
        total = total + sum(prompts.pow(2).sum() for prompts in learner.visual_prompts(conditions))
        if method is not ZeroShot:
            total.backward()
        for name, parameter in learner.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.any()), name
        copy = build(method, head, **settings)
        copy.load_state_dict(learner.state_dict())
        for new, old in zip(copy.parameters(), learner.parameters(), strict=True):
            assert torch.equal(new, old)


def test_untrained_coop_is_zero_shot_with_its_words(head: ClassNames) -> None:
    from rs_adapt.language.tokenizer import ClipTokenizer

    learner = build(CoOp, head)
    ids = ClipTokenizer()(["a photo of a forest.", "a photo of a river."]).ids_TN
    expected = normalize(head.text(ids), dim=1)
    torch.testing.assert_close(learner.class_vectors(head, "trained", Conditions()), expected, atol=1e-5, rtol=0)


def test_untrained_probe_is_zero_shot_and_leaves_novel_classes(head: ClassNames) -> None:
    learner = build(LinearProbe, head)
    plain = head.plain_vectors("scored")
    torch.testing.assert_close(learner.class_vectors(head, "scored", Conditions()), plain)
    with torch.no_grad():
        learner.weight.zero_()
    scored = learner.class_vectors(head, "scored", Conditions())
    assert torch.equal(scored[2], plain[2])
    assert not scored[:2].any()


def test_domain_controlled_formula(head: ClassNames, conditions: Conditions) -> None:
    learner = build(DomainControlled, head, noise="off")
    assert conditions.domain_BF is not None
    net = learner.text_net
    bias_BW = net.expand(torch.relu(net.squeeze(conditions.domain_BF)))
    one = normalize(head.encode("trained", learner.context + bias_BW[0], deep=list(learner.deep)), dim=1)
    torch.testing.assert_close(learner.class_vectors(head, "trained", conditions)[0], one, atol=1e-5, rtol=0)
    vectors = torch.randn(2, 64)
    net = learner.image_net
    expected = vectors + net.expand(torch.relu(net.squeeze(conditions.domain_BF)))
    torch.testing.assert_close(learner.image_vectors(vectors, conditions), expected)


def test_noise_is_for_training_alone_unless_asked_for(head: ClassNames, conditions: Conditions) -> None:
    vectors = torch.randn(2, 64)
    learner = build(DomainControlled, head)
    quiet = learner.eval().image_vectors(vectors, conditions)
    assert torch.equal(learner.image_vectors(vectors, conditions), quiet)
    noisy = learner.train().image_vectors(vectors, conditions)
    # One number e an entry times the mean over the whole batch.
    assert not torch.equal(noisy, quiet)
    ever = build(DomainControlled, head, noise="always").eval()
    assert not torch.equal(ever.image_vectors(vectors, conditions), quiet)
    with pytest.raises(ConfigError, match="Allowed: train, always, off"):
        build(DomainControlled, head, noise="never")


def test_quaternion_formula(head: ClassNames, conditions: Conditions) -> None:
    learner = build(QuaternionPrompts, head, noise="off")
    assert conditions.domain_BF is not None
    offset_B1W = learner.net(conditions.domain_BF)[:, None]
    layer = learner.projections[0]
    joined = torch.cat([torch.zeros(2, 2, 16), learner.deep[0] + offset_B1W], dim=2)
    expected = joined @ layer.matrix() + layer.bias
    torch.testing.assert_close(learner.visual_prompts(conditions)[1], expected, atol=1e-5, rtol=0)
    text = torch.cat([torch.zeros(2, 2, 16), learner.context + offset_B1W], dim=2) @ learner.text_layer.matrix()
    one = normalize(head.encode("trained", text[1], deep=list(learner.deep)), dim=1)
    torch.testing.assert_close(learner.class_vectors(head, "trained", conditions)[1], one, atol=1e-5, rtol=0)


def test_sides_of_the_domain(head: ClassNames, conditions: Conditions) -> None:
    text = build(QuaternionPrompts, head, sides="text", noise="off")
    assert all(prompts.ndim == 2 for prompts in text.visual_prompts(conditions))
    image = build(QuaternionPrompts, head, sides="image", noise="off")
    assert image.class_vectors(head, "trained", conditions).ndim == 2
    with pytest.raises(ConfigError, match="both, text, image"):
        build(QuaternionPrompts, head, sides="none")


def test_domain_of_any_width(head: ClassNames) -> None:
    learner = DomainControlled(**{**arguments(DomainControlled, FACTS), "domain_dim": 10})
    wide = Conditions(domain_BF=torch.randn(2, 10))
    assert learner.class_vectors(head, "trained", wide).shape == (2, 2, 64)


def test_visual_prompts_stay_to_the_end_and_replace_each_other() -> None:
    from rs_adapt.backbones import Clip

    vit = Clip(embed_dim=12, depth=3, num_heads=2, patch_px=8, image_px=16, out_layers=[2], level_scales=[1.0])
    x = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    plain = class_tokens(vit, x)
    torch.testing.assert_close(plain, vit.base_tokens(x)[:, 0])
    first, second = torch.randn(2, 12), torch.randn(2, 12)
    one = class_tokens(vit, x, [first])
    assert not torch.allclose(one, plain)
    assert not torch.allclose(class_tokens(vit, x, [first, second]), one)
    with pytest.raises(ConfigError, match="the visual tower has 3"):
        class_tokens(vit, x, [first] * 4)


def test_names_without_words_and_too_long_ones(head: ClassNames) -> None:
    from rs_adapt.language.prompted import prompt_tokens

    with pytest.raises(ConfigError, match="has no word that CLIP's tokenizer reads"):
        prompt_tokens(["forest", "_ -"], 4)
    with pytest.raises(ConfigError, match="is longer than the 77 tokens that CLIP reads, 4 places"):
        prompt_tokens(["forest " * 75], 4)
    with pytest.raises(ConfigError, match="the text tower has 3"):
        head.encode("trained", torch.zeros(2, 16), deep=[torch.zeros(2, 16)] * 3)
