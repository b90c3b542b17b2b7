"""A base that is stored in bfloat16: under autocast every method has the numbers of a base in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import Lora, SamParser, attach
from rs_adapt.adapters.contract.wrapping import WeightChange, Wrapped, layers_read_by_changes
from rs_adapt.backbones.cast_once import cast_frozen_weights_once
from tests.adapters.test_contract_backbones import FAMILIES, MLP_DIM

MakeViT = Callable[[], nn.Module]
FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")
# Of two sizes, and two passes before one backward pass, as in self-training.
IMAGES = [torch.randn(1, 3, *hw, generator=torch.Generator().manual_seed(3)) for hw in ((48, 48), (32, 56))]


def _attach(vit: Any, adapter: Any) -> Any:
    vit.adapter = adapter
    attach(adapter, vit)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        # Away from the start, at which many gradients are zero.
        for p in adapter.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return vit


def _numbers(vit: Any) -> list[Tensor | None]:
    """Return features, with the adapter and without, and gradients, all under autocast."""
    vit.train().zero_grad()
    torch.manual_seed(7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = [torch.stack(list(vit(image))) for image in IMAGES]
        queries = vit.adapter.queries()
        with vit.without_adapter(), torch.no_grad():
            plain = torch.stack(list(vit(IMAGES[0])))
    losses = [each.float().square().mean() for each in (*maps, *([] if queries is None else [queries]))]
    torch.stack(losses).sum().backward()
    gradients = [p.grad for p in vit.adapter.adapter_params().values()]
    assert any(grad is not None and bool(grad.any()) for grad in gradients)
    return [*(each.detach() for each in maps), plain, *gradients]


def _check(make: MakeViT) -> None:
    # Built twice: a copy would lose the hooks by which some methods change gradients.
    vit, once = cast("Any", make()), cast("Any", make())
    cast_frozen_weights_once(once.layers)
    digest, names = vit.base_sha256(), list(vit.state_dict())
    read = {id(layer) for layer in layers_read_by_changes(vit)}
    linears = [each for each in vit.layers.modules() if type(each) is nn.Linear and not each.weight.requires_grad]
    vit.store_base(torch.bfloat16, but=layers_read_by_changes(vit))
    assert all((each.weight.dtype is torch.float32) == (id(each) in read) for each in linears)
    # What is left in fp32 is cast once, as in training.
    cast_frozen_weights_once(vit.layers)
    for found, expected in zip(_numbers(vit), _numbers(once), strict=True):
        assert found is expected if found is None or expected is None else torch.equal(found, expected)
    assert (vit.base_sha256(), list(vit.state_dict())) == (digest, names)
    assert all(p.dtype is torch.float32 for p in vit.adapter.parameters())


def test_every_method_has_equal_numbers(example: Any, make_dinov2: MakeViT) -> None:
    def make() -> nn.Module:
        vit: Any = make_dinov2()
        return _attach(vit, example.build({key: getattr(vit, key) for key in FACTS}))

    _check(make)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_equal_numbers(family: str) -> None:
    def make() -> nn.Module:
        torch.manual_seed(1)
        mlp_dim = MLP_DIM.get(family, 128)
        adapter = Lora(embed_dim=32, depth=4, mlp_dim=mlp_dim, rank=4, targets=("attn_q", "fc1"))
        return _attach(FAMILIES[family](), adapter)

    _check(make)


def test_layers_whose_weight_a_method_reads_stay(make_dinov2: MakeViT) -> None:
    vit: Any = make_dinov2()
    facts = {"embed_dim": 32, "depth": 4, "mlp_dim": vit.mlp_dim}
    _attach(vit, SamParser(**facts, patch_px=8, targets=("attn_v",)))
    # Around it, a change that reads nothing: the plain layer is below both.
    block = vit.blocks[0]
    outer = Lora(**facts, targets=("attn_v",))
    block.replace("attn_v", Wrapped(block.attn_v, outer.blocks[0]["attn_v"]))
    vit.store_base(torch.bfloat16, but=layers_read_by_changes(vit))
    stored = {name for name, p in vit.named_parameters() if p.dtype is torch.bfloat16}
    linears = {name for name, each in vit.layers.named_modules() if type(each) is nn.Linear}
    kept = {name for name in linears if f"layers.{name}.weight" not in stored}
    assert len(kept) == 4
    assert all(type(vit.layers.get_submodule(name.rpartition(".")[0])) is Wrapped for name in kept)
    # Norms, LayerScale and embeddings have no linear weight.
    assert {name.removeprefix("layers.").rpartition(".")[0] for name in stored} == linears - kept


def test_changes_of_unknown_methods_are_taken_to_read_their_layer(make_dinov2: MakeViT) -> None:
    class Own(WeightChange):
        def merged_weight(self, weight: Tensor) -> Tensor:
            return 2 * weight

    vit: Any = make_dinov2()
    block = vit.blocks[1]
    plain = block.fc1
    block.replace("fc1", Wrapped(plain, Own()))
    assert layers_read_by_changes(vit) == [plain]
