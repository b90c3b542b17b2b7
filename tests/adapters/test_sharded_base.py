"""A base in shards: equal features and gradients for every method, and on every family of ViTs."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import fsdp

from rs_adapt.adapters import Lora, attach
from rs_adapt.engine.sharding import is_shard, shard_base, whole_base
from tests.adapters.test_contract_backbones import FAMILIES, MLP_DIM

MakeViT = Callable[[], nn.Module]
FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")
# Of two sizes, so that the base is gathered for two passes before one backward pass, as in self-training.
IMAGES = [torch.randn(1, 3, *hw, generator=torch.Generator().manual_seed(3)) for hw in ((48, 48), (32, 56))]


@pytest.fixture(scope="module", autouse=True)
def group_of_one() -> Iterator[None]:
    """Make this process a group by itself, which gathers from itself."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def _move(vit: Any) -> None:
    # Away from the start, at which many gradients are zero.
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in vit.adapter.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))


def _results(vit: Any) -> tuple[list[Tensor], list[Tensor | None]]:
    """Return features, and the gradients of two forward passes before one backward pass."""
    vit.train().zero_grad()
    torch.manual_seed(7)
    maps = [torch.stack(list(vit(image))) for image in IMAGES]
    losses = [features.square().mean() for features in maps]
    queries = vit.adapter.queries()
    torch.stack([*losses, *([] if queries is None else [queries.square().mean()])]).sum().backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in vit.adapter.adapter_params().values()]
    return [features.detach() for features in maps], gradients


@torch.no_grad()
def _predicted(vit: Any) -> list[Tensor]:
    vit.eval()
    return [torch.stack(list(vit(image))) for image in IMAGES]


def _equal(found: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> bool:
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def _check_shards(vit: Any) -> None:
    """Compare a ViT with itself in shards."""
    maps, gradients = _results(vit)
    predicted = _predicted(vit)
    digest = vit.base_sha256()
    shard_base(vit, torch.device("cpu"))
    base = vit.base_parameters().values()
    assert base
    assert all(is_shard(parameter) for parameter in base)
    assert {id(parameter) for parameter in base} == {id(p) for p in vit.parameters() if is_shard(p)}
    assert not any(is_shard(parameter) for parameter in vit.adapter.parameters())
    # Before any pass with gradients, too: a resumed run may begin with an evaluation.
    for _ in range(2):
        with whole_base(vit):
            assert _equal(_predicted(vit), predicted)
        found_maps, found_gradients = _results(vit)
        assert _equal(found_maps, maps)
        assert _equal(found_gradients, gradients)
        assert any(grad is not None and bool(grad.any()) for grad in found_gradients)
    assert vit.base_sha256() == digest


def test_every_method_has_equal_gradients(costly_example: Any, make_dinov2: MakeViT) -> None:
    vit: Any = make_dinov2()
    vit.adapter = costly_example.build({key: getattr(vit, key) for key in FACTS})
    attach(vit.adapter, vit)
    _move(vit)
    _check_shards(vit)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_equal_gradients(family: str) -> None:
    vit: Any = FAMILIES[family]()
    vit.adapter = Lora(embed_dim=32, depth=4, mlp_dim=MLP_DIM.get(family, 128), rank=4)
    attach(vit.adapter, vit)
    _move(vit)
    _check_shards(vit)


def test_a_base_in_bf16_is_sharded_with_equal_numbers() -> None:
    vit = FAMILIES["dinov3"]()
    vit.adapter = Lora(embed_dim=32, depth=4, mlp_dim=MLP_DIM["dinov3"], rank=4)
    attach(vit.adapter, vit)
    _move(vit)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = [*_results(vit)[0], *_results(vit)[1], *_predicted(vit)]
        digest = vit.base_sha256()
        vit.store_base(torch.bfloat16)
        shard_base(vit, torch.device("cpu"))
        assert {p.dtype for p in vit.base_parameters().values()} == {torch.float32, torch.bfloat16}
        found = [*_results(vit)[0], *_results(vit)[1]]
        with whole_base(vit):
            found += _predicted(vit)
    assert _equal(found, expected)
    assert vit.base_sha256() == digest


def test_a_part_is_freed_before_the_next_is_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    vit = FAMILIES["dinov3"]()
    parts = [vit.embeddings, *vit.layers]
    tensors = [[weakref.ref(parameter) for parameter in part.parameters()] for part in parts]
    alive: list[int] = []
    fully_shard = fsdp.fully_shard

    def count_and_shard(module: nn.Module, **settings: Any) -> object:
        alive.append(sum(tensor() is not None for of_part in tensors[: len(alive)] for tensor in of_part))
        return fully_shard(module, **settings)

    monkeypatch.setattr(fsdp, "fully_shard", count_and_shard)
    shard_base(vit, torch.device("cpu"))
    # The ViT itself comes last, as root of the others.
    assert alive == [0] * (len(parts) + 1)
