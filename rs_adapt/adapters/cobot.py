"""SAM-COBOT: the bottlenecks of a host method are coupled across blocks.

Shapes: T slots (bottlenecks of all blocks), V width of a bottleneck.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from rs_adapt.adapters.contract.adapter import Adapter, Settings
from rs_adapt.adapters.contract.mid import Mid
from rs_adapt.adapters.contract.nested import build_within, count_within
from rs_adapt.config.facts import ConfigNode
from rs_adapt.errors import ConfigError
from rs_adapt.quaternions import check_quaternions, hamilton_matrix
from rs_adapt.registry import MODELS

Start = Literal["uniform", "orthogonal"]


class CoefficientBank(nn.Module):
    """Tensors that all bottlenecks share: coefficients (V, T) and the relation (T, T) between the slots."""

    def __init__(self, width: int, num_slots: int) -> None:
        super().__init__()
        self.coefficients = nn.Parameter(torch.ones(width, num_slots))
        self.relation = nn.Parameter(torch.eye(num_slots))

    def slot_coefficients(self, slot: int) -> Tensor:
        """Return the shared coefficients (V,) of a slot, mixed over all slots by the relation: `(C S)[:, slot]`."""
        return self.coefficients @ self.relation[:, slot]


class CobotMid(Mid):
    """The map `h = (z * ((C S)[:, t] + g_t)) K_t` of slot t; see `Cobot`.

    Args:
        bank: The shared C and S.
        slot: Number t of the slot.
        width: Width V of the bottleneck.
        start: How K_t starts, "uniform" or "orthogonal".
    """

    def __init__(self, bank: CoefficientBank, slot: int, *, width: int, start: Start) -> None:
        super().__init__()
        # In a tuple, which torch does not search for submodules: the bank is one of the adapter.
        self._bank, self.slot = (bank,), slot
        self.own = nn.Parameter(torch.ones(width))
        size = width // 4
        if start == "uniform":
            parts = torch.rand(4, size, size)
            parts[0] = 0
        else:
            # One unit quaternion a row on the diagonal: K K^T is the identity.
            parts = functional.normalize(torch.randn(4, size), dim=0).unsqueeze(-1) * torch.eye(size)
        self.quaternion = nn.Parameter(parts.clone())

    def matrix(self) -> Tensor:
        """Return the map as a matrix (V, V): `diag((C S)[:, t] + g_t) K_t`."""
        gains = self._bank[0].slot_coefficients(self.slot) + self.own
        return gains[:, None] * hamilton_matrix(*self.quaternion)


@MODELS.register_module()
class Cobot(Adapter):
    """Cross-block orchestration (Peng et al., CVPR 2024, https://arxiv.org/abs/2311.17112) on LoRA or bottlenecks.

    Between the two projections of every bottleneck of the host, the hidden vector z becomes
    `h = (z * (C S)[:, t] + z * g_t) K_t`, with coefficients C (V, T) and a relation S (T, T) shared by all T slots, and
    with gains g_t (V) and a quaternion matrix K_t for each slot t. Slots are numbered block by block, and within a
    block in the host's order (LoRA: the order of its targets). The host's second matrix starts at zero, so the features
    start as the frozen ones. Trained in addition to the host: `V T + T^2 + V T + V^2 / 4 T`. Mergeable on LoRA.

    K is initialised as `"uniform"`, as in the released code (real parts 0, the others uniform in 0 to 1), or
    `"orthogonal"`, as in the paper. In both cases the initial C, S and g double z before K is applied.

    Departs from the reference (SJTU-DeepVisionLab/SAM-COBOT @ 5c0a0a6): the host is initialised as it is without COBOT,
    whereas the reference draws both LoRA matrices at random and so does not start from the frozen features.
    """

    # While the host's second matrix is zero, nothing before it has a gradient.
    no_decay: tuple[str, ...] = ("bank.", ".own")

    def __init__(
        self,
        *,
        host: ConfigNode,
        embed_dim: int,
        depth: int,
        patch_px: int,
        mlp_dim: int,
        gated_mlp: bool = False,
        start: Start = "orthogonal",
    ) -> None:
        """Build the host and put the orchestration into it.

        Args:
            host: Config of a method with bottlenecks (`Lora`, `AdaptFormer`, `Houlsby`); facts of the backbone are
                passed on. Their width must be a multiple of 4.
            embed_dim: Width of the ViT.
            depth: Number of blocks of the ViT.
            patch_px: Patch size of the ViT, pixels.
            mlp_dim: Hidden width of the ViT's feed-forward part.
            gated_mlp: The feed-forward part has a gate next to `fc1`.
            start: "orthogonal" or "uniform".

        Raises:
            ConfigError: The host has no bottlenecks, or an argument is not allowed.
        """
        super().__init__()
        facts = {
            "embed_dim": embed_dim,
            "depth": depth,
            "patch_px": patch_px,
            "mlp_dim": mlp_dim,
            "gated_mlp": gated_mlp,
        }
        if start not in get_args(Start):
            raise ConfigError(f"Cobot: start is {start!r}. Allowed: {', '.join(get_args(Start))}.")
        built: Any = build_within("Cobot", host, facts)
        if not hasattr(built, "mid_hosts"):
            raise ConfigError(
                f"Cobot: the host {type(built).__name__} has no bottlenecks. Allowed: Lora, AdaptFormer, Houlsby."
            )
        bottlenecks = built.mid_hosts()
        width = bottlenecks[0].rank
        check_quaternions("Cobot", **{"rank of the host": width})
        self.host: Adapter = built
        self._slots_a_block = len(bottlenecks) // depth
        self.bank = CoefficientBank(width, len(bottlenecks))
        self.slots = nn.ModuleList(
            CobotMid(self.bank, slot, width=width, start=start) for slot in range(len(bottlenecks))
        )
        for bottleneck, mid in zip(bottlenecks, self.slots, strict=True):
            bottleneck.set_mid(mid)
        self.identity_at_init = built.identity_at_init
        self.zero_grad_at_init = ("bank.", "slots.", *built.zero_grad_at_init)

    def wrap(self, vit: nn.Module) -> None:
        """Let the host wrap its layers."""
        self.host.wrap(vit)

    @contextmanager
    def unwrapped(self) -> Iterator[None]:
        """Switch the host's layers off while the context lasts."""
        with self.host.unwrapped():
            yield

    def block_of(self, name: str) -> int | None:
        """Return the block of a tensor of the host or of a slot; the bank's are those of all blocks."""
        owner, _, rest = name.partition(".")
        if owner == "slots":
            return int(rest.partition(".")[0]) // self._slots_a_block
        return self.host.block_of(rest) if owner == "host" else None

    def rest_in(self, blocks: Collection[int]) -> None:
        """Let the host rest."""
        super().rest_in(blocks)
        self.host.rest_in(blocks)

    def why_unmergeable(self) -> str | None:
        """Return the host's reason, or None."""
        return self.host.why_unmergeable()

    def merge(self, vit: nn.Module) -> None:
        """Merge the host, together with the maps in its bottlenecks."""
        self.host.merge(vit)

    @staticmethod
    def num_params(*, host: ConfigNode, **facts: Any) -> int:
        """Return the number of trainable parameters, those of the host included.

        Args:
            host: Config of the host method; its `rank` is V.
            **facts: The other constructor arguments: `embed_dim`, `depth`, ...
        """
        width: int = host["rank"]
        slots = facts["depth"] * _slots_a_block(host)
        num_own: int = width * slots + slots**2 + width * slots + width**2 // 4 * slots
        return num_own + count_within(host, facts)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return (
            {"host": {"type": "rs_adapt.Lora", "rank": 4}},
            {"host": {"type": "rs_adapt.AdaptFormer", "rank": 8, "dropout": 0.0}, "start": "uniform"},
            {"host": {"type": "rs_adapt.Houlsby", "rank": 4}},
        )


def _slots_a_block(host: ConfigNode) -> int:
    kinds: dict[str, Callable[[], int]] = {
        "Lora": lambda: len(host.get("targets", ("attn_q", "attn_v"))),
        "Houlsby": lambda: 2,
        "AdaptFormer": lambda: 1,
    }
    return kinds[host["type"].rpartition(".")[2]]()
