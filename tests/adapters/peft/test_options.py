"""Options of peft: what is refused names the option, what was given, and what peft allows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from rs_adapt.adapters import PeftAdapter, attach
from rs_adapt.errors import ConfigError

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("lora", {"rank": 4}, r"no option rank .*Known: .* r, rank_pattern, .*use_rslora"),
        ("lora", {"eva_config": {"taus": 1}}, r"no option eva_config\.taus .*Did you mean tau"),
        ("lora", {"init_lora_weights": "pisa"}, r"is 'pisa'\. Peft allows True or False or 'gaussian', .*'pissa', "),
        ("lora", {"init_lora_weights": "pissa_niter_x"}, r"Peft allows .*'pissa_niter_\[number of iters\]'"),
        ("lora", {"r": "four"}, r"option r .* is 'four'\. Peft allows a whole number"),
        ("lora", {"use_rslora": 1}, r"Peft allows True or False"),
        ("lora", {"lora_dropout": float("nan")}, r"lora_dropout .* is nan"),
        ("lora", {"r": 0}, r"r is 0; it must be 1 or larger"),
        ("lora", {"bias": "all"}, r"option bias .*cannot be set: peft sees only the layers"),
        ("lora", {"target_modules": ["x"]}, r"cannot be set: which layers change is set by .*adapter\.targets"),
        ("lora", {"megatron_core": "os"}, r"cannot be set: it is for models that are split over machines"),
        (
            "lora",
            {"init_lora_weights": "loftq"},
            r"rejects the options \(options: init_lora_weights='loftq'\): loftq quantizes .*'pissa', .*'mica'\.",
        ),
        (
            "lora",
            {"init_lora_weights": "eva", "eva_config": {"rho": 2.0}},
            r"eva_config\.rho is 2\.0: ranks would move",
        ),
        ("dora", {"use_dora": False}, r"option use_dora .*cannot be set: it is the method"),
        ("oft", {"r": 2, "oft_block_size": 4}, r"peft:oft rejects the options \(options: r=2, oft_block_size=4\): "),
        ("lora", {"eva_config": {}}, r"`eva_config` specified but will be ignored when"),
        (
            "lora",
            {"monteclora_config": {}},
            r"cannot be set: it needs .* a further term of the loss",
        ),
        ("psoft", {"psoft_svd_lowrank_niter": 2}, r"psoft_svd_lowrank_niter=2 will be ignored"),
        ("vblora", {"num_vectors": 4, "topk": 8}, r"topk is 8, and num_vectors only 4"),
        ("vblora", {"topk": 1}, r"topk is 1: one chosen vector always has the weight 1"),
        ("lora", {"kasa_config": {"beta": 1e-4}}, r"kasa_config .*cannot be set: it removes the smallest singular"),
        ("lora", {"alpha_pattern": {"attn_q": 0}}, r"alpha_pattern\.attn_q is 0; it must be larger than 0"),
        ("lora", {"rank_pattern": {"attn_q": 0}}, r"rank_pattern\.attn_q is 0; it must be"),
        ("boft", {"boft_n_butterfly_factor": 2}, r"boft_n_butterfly_factor is 2; without an extension"),
        ("hra", {"apply_GS": True}, r"apply_GS divides by zero at the symmetric start"),
        ("c3a", {"init_weights": "uniform"}, r"Peft allows True or False or 'gaussian', 'kaiming_uniform'"),
    ],
)
def test_wrong_options_are_refused(kind: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PeftAdapter(**FACTS, kind=kind, options=options)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("boft", {"boft_block_size": 7}, "peft:boft cannot change these layers: .*divisible"),
        ("road", {}, r"peft:road cannot change these layers: .*divisible by group_size \(64\)"),
        ("oft", {"r": 0, "oft_block_size": 7}, r"Invalid `oft_block_size` \(7\)! Adjusted `oft_block_size` to"),
        ("hra", {"r": 3}, "symmetric initialization can NOT be performed when r is odd"),
        (
            "lora",
            {"rank_pattern": {"attn_w": 2}},
            "has an entry 'attn_w', which matches no layer. Name one",
        ),
        ("lora", {"r": 33, "init_lora_weights": "pissa"}, "the rank r is 33, but a weight has only 32 components"),
        ("lora", {"r": 33, "init_lora_weights": "olora"}, "the rank r is 33, but a weight has only 32 components"),
        ("lora", {"init_lora_weights": "corda"}, "cannot change these layers: `eigens` attribute not found"),
        ("dora", {"init_lora_weights": "pissa"}, "changes the frozen weights of the backbone by more than"),
    ],
)
def test_what_peft_finds_with_the_layers_is_refused(
    kind: str, options: dict[str, object], message: str, make_vit: Callable[[], nn.Module]
) -> None:
    adapter = PeftAdapter(**FACTS, kind=kind, options=options)
    with pytest.raises(ConfigError, match=message):
        attach(adapter, make_vit())


def test_options_of_peft_are_taken_as_they_are() -> None:
    options = {"r": 4, "init_lora_weights": "pissa_niter_4", "rank_pattern": {"attn_q": 2}, "use_rslora": True}
    config = PeftAdapter(**FACTS, kind="lora", options=options).config
    assert {name: getattr(config, name) for name in options} == options


def test_a_factor_of_b_is_for_lora_alone() -> None:
    with pytest.raises(ConfigError, match="only LoRA and DoRA have a B"):
        PeftAdapter(**FACTS, kind="oft", options={"r": 0, "oft_block_size": 8}, b_lr_mult=2.0)
