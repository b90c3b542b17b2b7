"""Blocks that are computed again in the backward pass: equal numbers for every method, and less that is saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, EarthAdapter, Lora, attach

MakeViT = Callable[[], nn.Module]
FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")
ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "earth_adapter": lambda: EarthAdapter(embed_dim=32, depth=4, rank=4, frequency_layers=(2, 3), cutoff=0.6),
    "lora": lambda: Lora(embed_dim=32, depth=4, mlp_dim=128, rank=4),
}
# Of two sizes, so that what a pass leaves behind in an adapter does not fit the other.
IMAGES = [torch.randn(2, 3, *hw, generator=torch.Generator().manual_seed(3)) for hw in ((48, 48), (32, 56))]


def _attach(vit: Any, adapter: Adapter) -> Any:
    vit.adapter = adapter
    attach(adapter, vit)
    return vit


def _gradients(vit: Any, *, recomputes: bool) -> list[Tensor | None]:
    """Return the gradients of two forward passes before one backward pass, as self-training has them."""
    vit.recomputes = recomputes
    vit.train().zero_grad()
    torch.manual_seed(7)
    losses = []
    for image in IMAGES:
        losses.append(vit(image).square().mean())
        queries = vit.adapter.queries()
        losses += [] if queries is None else [queries.square().mean()]
    torch.stack(losses).sum().backward()
    return [None if p.grad is None else p.grad.clone() for p in vit.adapter.adapter_params().values()]


def test_every_method_has_equal_gradients(example: Any, make_dinov2: MakeViT) -> None:
    vit: Any = make_dinov2()
    vit = _attach(vit, example.build({key: getattr(vit, key) for key in FACTS}))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        # Away from the start, at which many gradients are zero.
        for p in vit.adapter.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    saved, again = (_gradients(vit, recomputes=recomputes) for recomputes in (False, True))
    assert any(grad is not None and bool(grad.any()) for grad in saved)
    for before, now in zip(saved, again, strict=True):
        assert before is now if before is None or now is None else torch.equal(before, now)


def _saved_bytes(vit: Any) -> int:
    """Return the bytes that one forward pass saves beside the parameters, each storage once."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*vit.parameters(), *vit.buffers())}
    storages: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # The tensor is held, so that its memory is not used for another.
            storages[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = vit(IMAGES[0])
    del features
    return sum(size for size, _ in storages.values())


def test_frozen_layers_save_no_input(make_dinov2: MakeViT) -> None:
    """The input of a frozen linear is not among what is saved, as its weight needs no gradient."""
    vit = _attach(make_dinov2(), ADAPTERS["earth_adapter"]())
    inputs: list[Tensor] = []
    for name, module in vit.named_modules():
        if name.endswith(("mlp.fc1", "mlp.fc2")):
            module.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    saved: set[int] = set()

    def pack(tensor: Tensor) -> Tensor:
        saved.add(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        vit(IMAGES[0])
    assert len(inputs) == 8
    assert not saved & {tensor.untyped_storage().data_ptr() for tensor in inputs}


@pytest.mark.parametrize("name", ADAPTERS)
def test_less_is_saved_in_training_alone(name: str, make_dinov2: MakeViT) -> None:
    vit = _attach(make_dinov2(), ADAPTERS[name]())
    normal = _saved_bytes(vit)
    vit.recomputes = True
    assert _saved_bytes(vit) < 0.5 * normal
    vit.eval()
    assert _saved_bytes(vit) == normal


def test_drop_out_is_drawn_again(make_dinov2: MakeViT) -> None:
    vit = _attach(make_dinov2(), Lora(embed_dim=32, depth=4, mlp_dim=128, rank=4, dropout=0.5))
    with torch.no_grad():
        for p in vit.adapter.parameters():
            p.add_(0.1)
    saved, again = (_gradients(vit, recomputes=recomputes) for recomputes in (False, True))
    assert all(torch.equal(before, now) for before, now in zip(saved, again, strict=True))
    torch.manual_seed(8)
    vit(IMAGES[0]).square().mean().backward()
    assert not any(torch.equal(p.grad, grad) for p, grad in zip(vit.adapter.parameters(), again, strict=True))
