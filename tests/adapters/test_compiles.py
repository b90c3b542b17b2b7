"""Every method with torch.compile, which takes as long as all other checks of the contract together."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from rs_adapt.adapters import attach


def test_every_method_compiles(costly_example: Any, make_vit: Callable[[], nn.Module]) -> None:
    vit: Any = make_vit()
    facts = {"embed_dim": 32, "depth": 4, "patch_px": 8, "mlp_dim": 64, "gated_mlp": False}
    vit.adapter = costly_example.build(facts)
    attach(vit.adapter, vit)
    # The first block and the last: a method may leave layers out, and treats all others alike.
    vit.layers = (0, 3)
    x = torch.randn(2, 3, 32, 56)
    torch._dynamo.reset()
    # The whole forward must be one graph; what a compiler makes of the graph is not for this test.
    whole = vit.adapter.compiles_as_one_graph
    compiled = torch.compile(copy.deepcopy(vit), backend="eager", fullgraph=whole, dynamic=False)
    torch.testing.assert_close(compiled(x), vit(x), atol=1e-5, rtol=1e-5)
