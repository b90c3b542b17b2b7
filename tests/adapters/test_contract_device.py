"""No method may wait for the device in its forward pass: what is on the meta device cannot be copied to the host."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, Rein, attach

FACTS = {"embed_dim": 32, "depth": 4, "patch_px": 8, "mlp_dim": 64, "gated_mlp": False}


@pytest.fixture(autouse=True)
def _autocast_on_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    # `torch.autocast` does not know the meta device; what it would do, choosing dtypes, is of no matter here.
    monkeypatch.setattr(torch, "autocast", lambda *_args, **_settings: nullcontext())


def train_on_meta(adapter: Adapter, vit: Any) -> None:
    vit.adapter = adapter
    attach(adapter, vit)
    vit.to("meta")
    loss = vit(torch.empty(2, 3, 48, 48, device="meta")).square().mean()
    queries = adapter.queries()
    (loss if queries is None else loss + queries.square().mean()).backward()


# Peft's code for them makes indices or sparse tensors of values, which waits for the device.
WAITING = ("shira", "vblora", "waveft")


def test_training_copies_nothing_to_the_host(example: Any, make_vit: Callable[[], nn.Module]) -> None:
    if example.settings.get("kind") in WAITING:
        with pytest.raises((RuntimeError, NotImplementedError)):
            train_on_meta(example.build(FACTS), make_vit())
        return
    train_on_meta(example.build(FACTS), make_vit())


@pytest.mark.parametrize(
    "copied",
    [
        lambda x: x.mean().item(),
        lambda x: float(x.amax()),
        lambda x: bool((x > 0).any()),
        lambda x: x.cpu(),
        lambda x: x.detach().tolist(),
    ],
    ids=["item", "float", "bool", "cpu", "tolist"],
)
@pytest.mark.parametrize("place", ["after_block", "queries"])
def test_a_copy_would_be_seen(
    place: str, copied: Callable[[Tensor], object], make_vit: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = getattr(Rein, place)

    def copying(self: Rein, *args: Any) -> Tensor:
        out: Tensor = inner(self, *args)
        copied(out)
        return out

    monkeypatch.setattr(Rein, place, copying)
    with pytest.raises((RuntimeError, NotImplementedError), match=r"meta tensor"):
        train_on_meta(Rein(embed_dim=32, depth=4, num_tokens=5, token_rank=3, query_dim=8), make_vit())
