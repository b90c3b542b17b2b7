"""The gate: what it chooses, that a resting module neither acts nor moves, and how it meets merges and saved states."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import attach
from rs_adapt.adapters._gate_choice import choose
from rs_adapt.adapters.gate import Gate
from rs_adapt.adapters.stack import Stack
from rs_adapt.engine.optim import OptimWrapper
from rs_adapt.errors import ConfigError

MakeViT = Callable[[], Any]
EARTH = {"type": "rs_adapt.EarthAdapter", "rank": 4, "frequency_layers": (2, 3), "cutoff": 0.6}
LORA = {"type": "rs_adapt.Lora", "rank": 4}
BRANCH = {"type": "rs_adapt.AdaptFormer", "rank": 4, "dropout": 0.0}
STACK = {"type": "rs_adapt.Stack", "adapters": {"lora": LORA, "adaptformer": BRANCH, "earth_adapter": EARTH}}
FACTS = {"embed_dim": 32, "depth": 4, "patch_px": 8, "mlp_dim": 64}
# Ways to act in a block: layers, bottlenecks, slots, tokens, tokens of the image, outputs, a library's layers.
HOSTS: dict[str, dict[str, Any]] = {
    "stack": STACK,
    "cobot": {"type": "rs_adapt.Cobot", "host": LORA},
    "vpt": {"type": "rs_adapt.Vpt", "num_tokens": 3},
    "dcpl": {"type": "rs_adapt.Dcpl", "num_tokens": 3, "prompt_dim": 6, "hidden": 5, "noise": "off"},
    "rein": {"type": "rs_adapt.Rein", "num_tokens": 5, "token_rank": 3, "query_dim": None},
    "dora": {"type": "rs_adapt.PeftAdapter", "kind": "dora", "options": {"r": 4}},
    "flora+bitfit": {
        "type": "rs_adapt.Stack",
        "adapters": {"flora": {"type": "rs_adapt.Flora", "rank": 2}, "bitfit": {"type": "rs_adapt.BitFit"}},
    },
}
IMAGE = torch.randn(2, 3, 32, 24, generator=torch.Generator().manual_seed(2))


def gated(vit: Any, host: dict[str, Any] = STACK, **settings: Any) -> tuple[Any, OptimWrapper]:
    """A ViT with a gate whose tensors have left their start, and the optimizer that a run has."""
    torch.manual_seed(0)
    vit.adapter = Gate(host=host, **FACTS, **({"k": 3, "every": 6, "measure": 2} | settings))
    attach(vit.adapter, vit)
    vit.train()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in vit.adapter.adapter_params().values():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    optimizer = torch.optim.AdamW(vit.adapter.adapter_params().values(), lr=0.01, weight_decay=0.5)
    wrapper = OptimWrapper(optimizer, clip_grad={"max_norm": 1.0})
    wrapper.adapter = vit.adapter
    return vit, wrapper


def step(vit: Any, wrapper: OptimWrapper, scale: float = 1.0) -> None:
    wrapper.update_params(scale * vit(IMAGE).square().mean())


def snapshot(vit: Any, wrapper: OptimWrapper) -> dict[str, list[Tensor]]:
    """Values and moments of every tensor of the adapter."""
    state = wrapper.optimizer.state
    return {
        name: [p.detach().clone(), *(v.clone() for v in state.get(p, {}).values())]
        for name, p in vit.adapter.adapter_params().items()
    }


def moves(name: str, method: Any, active: list[bool]) -> bool:
    """Whether a tensor of a method belongs to an active module, or to several blocks."""
    block = method.block_of(name)
    return active[block] if block is not None else any(active) or name not in method.stacked_by_block


@pytest.mark.parametrize(
    ("squares", "k", "compare", "expected"),
    [
        # Shares of the methods: 0.1 0.2 0.7 and 0.5 0.25 0.25, of which the two highest are not in one method.
        ([[1, 2, 7], [1000, 500, 500]], 2, "method", [[0, 0, 1], [1, 0, 0]]),
        # Shares in the blocks: 1/1001, 2/502, 7/507 against nearly all.
        ([[1, 2, 7], [1000, 500, 500]], 3, "block", [[0, 0, 0], [1, 1, 1]]),
        # Of equal scores the first.
        ([[1, 1, 1], [1, 1, 1]], 4, "method", [[1, 1, 1], [1, 0, 0]]),
        # A method without any gradient is never before one that has some.
        ([[0, 0, 0], [0, 0, 1]], 1, "method", [[0, 0, 0], [0, 0, 1]]),
        ([[0, 0, 0], [0, 0, 0]], 6, "method", [[1, 1, 1], [1, 1, 1]]),
    ],
)
def test_known_answers_of_the_choice(squares: Any, k: int, compare: Any, expected: Any) -> None:
    assert choose(torch.tensor(squares).float(), k, compare=compare).int().tolist() == expected


def test_scores_are_mean_squared_gradients_of_the_measured_iterations(make_vit: MakeViT) -> None:
    vit, wrapper = gated(make_vit())
    plain = copy.deepcopy(vit)
    expected = torch.zeros(3, 4)
    for scale in (1.0, 3.0):
        plain.zero_grad()
        (scale * plain(IMAGE).square().mean()).backward()
        for number, method in enumerate(plain.adapter.methods()):
            for block in range(4):
                grads = [p.grad.flatten() for n, p in method.adapter_params().items() if method.block_of(n) == block]
                if number == 2:
                    grads.append(method.scale.grad[block : block + 1])
                expected[number, block] += torch.cat(grads).square().mean()
        step(vit, wrapper, scale)
    torch.testing.assert_close(vit.adapter.squares, expected)
    assert vit.adapter.active.sum() == 3
    assert torch.equal(vit.adapter.active, choose(expected, 3, compare="method"))
    # The next measurement starts from nothing.
    for _ in range(4):
        step(vit, wrapper)
    assert not vit.adapter.squares.any()


def test_measuring_moves_nothing_and_lets_all_modules_act(make_vit: MakeViT) -> None:
    vit, wrapper = gated(make_vit())
    for _ in range(4):
        step(vit, wrapper)
    # The second measurement begins after six steps.
    for _ in range(2):
        step(vit, wrapper)
    everything = Stack(adapters=STACK["adapters"], **FACTS)
    ungated = make_vit()
    ungated.adapter = everything
    attach(everything, ungated)
    everything.load_state_dict(vit.adapter.host.state_dict())
    before = snapshot(vit, wrapper)
    assert torch.equal(vit(IMAGE), ungated(IMAGE))
    # Outside of training, such as for a teacher's labels, the choice holds.
    chosen = vit.eval()(IMAGE)
    assert not torch.allclose(chosen, ungated(IMAGE))
    vit.train()
    step(vit, wrapper)
    assert torch.equal(vit.eval()(IMAGE), chosen)
    after = snapshot(vit, wrapper)
    assert all(torch.equal(a, b) for name in before for a, b in zip(before[name], after[name], strict=True))


@pytest.mark.parametrize("host", HOSTS)
def test_a_resting_module_neither_acts_nor_moves(make_vit: MakeViT, host: str) -> None:
    vit, wrapper = gated(make_vit(), HOSTS[host], k=2)
    for _ in range(2):
        step(vit, wrapper)
    adapter = vit.adapter
    assert adapter.active.sum() == 2
    before = snapshot(vit, wrapper)
    features = vit(IMAGE)
    for _ in range(4):
        step(vit, wrapper)
    after = snapshot(vit, wrapper)
    methods = list(adapter.methods())
    owners = [f"host.adapters.{name}." for name in adapter.host.adapters] if len(methods) > 1 else ["host."]
    with torch.no_grad():
        for owner, method, active in zip(owners, methods, adapter.active.tolist(), strict=True):
            for name, parameter in method.adapter_params().items():
                old, new = before[owner + name], after[owner + name]
                if name in method.stacked_by_block:
                    for block, on in enumerate(active):
                        assert torch.equal(old[0][block], new[0][block]) != on, (name, block)
                        # Nor have the moments of its rows begun.
                        assert on or all(not v[block].any() for v in new[1:] if v.shape == new[0].shape)
                        parameter[block] = old[0][block] if on else 100.0
                    continue
                moved = moves(name, method, active)
                assert torch.equal(old[0], new[0]) != moved, name
                assert len(new) == (4 if moved else 1), name
                parameter.copy_(old[0] if moved else torch.full_like(parameter, 100.0))
    # Back at the start but for what rests, which may hold anything.
    assert torch.equal(vit.eval()(IMAGE), features)


def test_a_module_that_is_chosen_again_continues_with_its_moments(make_vit: MakeViT) -> None:
    vit, wrapper = gated(make_vit(), k=12)
    for _ in range(4):
        step(vit, wrapper)
    adapter = vit.adapter
    kept = snapshot(vit, wrapper)
    adapter.active[:, 1] = False
    adapter.load_state_dict(adapter.state_dict())
    step(vit, wrapper)
    rested = snapshot(vit, wrapper)
    for name in ("lora.blocks.1.attn_q.up", "adaptformer.blocks.1.up.bias", "earth_adapter.layers.1.up_weight"):
        full = f"host.adapters.{name}"
        assert int(rested[full][1]) == 2, "its own count of steps"
        assert all(torch.equal(a, b) for a, b in zip(kept[full], rested[full], strict=True))
    scale_kept, scale_rested = (s["host.adapters.earth_adapter.scale"] for s in (kept, rested))
    for old, new in zip(scale_kept, scale_rested, strict=True):
        if old.ndim:
            assert (old == new).tolist() == [False, True, False, False]


def test_a_gradient_of_zeros_moves_no_resting_module(make_vit: MakeViT) -> None:
    vit, wrapper = gated(make_vit())
    for _ in range(2):
        step(vit, wrapper)
    before = snapshot(vit, wrapper)
    for parameter in vit.adapter.adapter_params().values():
        parameter.grad = torch.zeros_like(parameter)
    wrapper.step()
    for owner, method, active in zip(STACK["adapters"], vit.adapter.methods(), vit.adapter.active, strict=True):
        for name, parameter in method.adapter_params().items():
            # An active one has its weight decay.
            if method.block_of(name) is not None:
                still = torch.equal(before[f"host.adapters.{owner}.{name}"][0], parameter)
                assert still != bool(active[method.block_of(name)]), name


def test_without_k_it_is_the_host(make_vit: MakeViT) -> None:
    vit, wrapper = gated(make_vit(), k=None)
    plain = make_vit()
    plain.adapter = Stack(adapters=STACK["adapters"], **FACTS)
    attach(plain.adapter, plain)
    plain.adapter.load_state_dict(vit.adapter.host.state_dict())
    optimizer = OptimWrapper(
        torch.optim.AdamW(plain.adapter.adapter_params().values(), lr=0.01, weight_decay=0.5),
        clip_grad={"max_norm": 1.0},
    )
    for _ in range(7):
        step(vit, wrapper)
        step(plain, optimizer)
    assert torch.equal(vit.eval()(IMAGE), plain(IMAGE))
    assert vit.adapter.active.all()


@pytest.mark.parametrize("steps", range(1, 9))
def test_a_saved_state_continues_exactly(make_vit: MakeViT, steps: int) -> None:
    straight, one = gated(make_vit())
    for _ in range(steps):
        step(straight, one)
    again, two = gated(make_vit())
    again.adapter.load_state_dict(straight.adapter.state_dict())
    # A copy: torch's optimizers take over the tensors themselves.
    two.load_state_dict(copy.deepcopy(one.state_dict()))
    for _ in range(7):
        step(straight, one)
        step(again, two)
    for name, value in straight.adapter.state_dict().items():
        assert torch.equal(value, again.adapter.state_dict()[name]), name
    assert torch.equal(straight.eval()(IMAGE), again.eval()(IMAGE))


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_only_active_modules_are_merged(make_vit: MakeViT, training: bool) -> None:
    stack = {"type": "rs_adapt.Stack", "adapters": {"lora": LORA, "bitfit": {"type": "rs_adapt.BitFit"}}}
    vit, _ = gated(make_vit(), stack, k=3)
    vit.adapter.active.copy_(torch.tensor([[1, 0, 1, 0], [0, 0, 1, 0]]))
    vit.adapter.load_state_dict(vit.adapter.state_dict())
    base = make_vit()
    expected = vit.eval()(IMAGE)
    # A measurement is about to begin, in which all modules would act.
    adapter = vit.train(training).adapter
    adapter.merge(vit)
    vit.adapter = None
    torch.testing.assert_close(vit(IMAGE), expected, atol=1e-5, rtol=1e-4)
    for block, (now, before) in enumerate(zip(vit.blocks, base.blocks, strict=True)):
        assert torch.equal(now.attn_q.weight, before.attn_q.weight) == (block in (1, 3))
        assert torch.equal(now.fc1.bias, before.fc1.bias) == (block != 2)


@pytest.mark.parametrize(
    ("host", "settings", "message"),
    [
        (STACK, {"k": 13}, "k is 13, and the host has 12 modules"),
        (STACK, {"k": "0%"}, "Gate: k is '0%'"),
        (STACK, {"measure": 6}, "measure is 6 and every is 6"),
        (STACK, {"compare": "type"}, "Allowed: method, block"),
        (LORA, {"compare": "block"}, "the host is only one"),
        ({"type": "rs_adapt.HClip", "block_dim": 8}, {}, "shares its tensors between the blocks"),
        ({"type": "rs_adapt.Soma", "rank": 4}, {}, "Soma has no tensor in block 0"),
        ({"type": "rs_adapt.Rein", "num_tokens": 5, "token_rank": 3, "query_dim": 8}, {}, "Set its query_dim to None"),
        (
            {"type": "rs_adapt.PeftAdaLora", "total_iters": 20, "options": {"init_r": 4, "target_r": 2}},
            {},
            "a schedule of its own",
        ),
    ],
)
def test_what_cannot_be_gated_is_refused(make_vit: MakeViT, host: Any, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        gated(make_vit(), host, **settings)


def test_k_may_be_a_share() -> None:
    assert (Gate(host=STACK, **FACTS, k="25%").k, Gate(host=LORA, **FACTS, k="1%").k) == (3, 1)


def test_views_of_resting_modules_are_left_out(make_vit: MakeViT) -> None:
    vit, _ = gated(make_vit(), k=1)
    adapter, tokens = vit.adapter, torch.randn(2, 13, 32)
    assert adapter.inspect_block(tokens, 3, (4, 3))
    adapter.active.zero_()
    adapter.active[0, 0] = True
    adapter.load_state_dict(adapter.state_dict())
    adapter.eval()
    assert adapter.inspect_block(tokens, 3, (4, 3)) == {}
    assert torch.equal(adapter.after_block(tokens, 3, (4, 3)), tokens)
