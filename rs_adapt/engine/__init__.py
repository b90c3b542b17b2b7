"""Glue to mmengine's Runner: precision, exact resume, metrics, progress, packs. Importing it registers the classes."""

from __future__ import annotations

import rs_adapt.engine.lean_mmengine  # noqa: F401 - before any module that imports mmengine.optim
from rs_adapt.engine.flow_loop import FlowValLoop
from rs_adapt.engine.loops import TestLoop, ValLoop
from rs_adapt.engine.optim import OptimWrapper
from rs_adapt.engine.param_groups import ParamGroups
from rs_adapt.engine.recorder import Recorder

__all__ = ["FlowValLoop", "OptimWrapper", "ParamGroups", "Recorder", "TestLoop", "ValLoop"]
