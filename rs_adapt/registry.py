"""Where configs find our classes: `type="rs_adapt.X"` in any mmengine config that imports this module.

The registries are children of mmengine's. Their `locations` are imported when a name is first looked up, so that
reading a configuration stays free of torch.
"""

from __future__ import annotations

from mmengine import registry as mm

SCOPE = "rs_adapt"

MODELS = mm.Registry(
    "model",
    parent=mm.MODELS,
    scope=SCOPE,
    locations=["rs_adapt.adapters", "rs_adapt.backbones", "rs_adapt.heads", "rs_adapt.strategies"],
)
DATASETS = mm.Registry("dataset", parent=mm.DATASETS, scope=SCOPE, locations=["rs_adapt.datasets"])
DATA_SAMPLERS = mm.Registry("data sampler", parent=mm.DATA_SAMPLERS, scope=SCOPE, locations=["rs_adapt.datasets"])
METRICS = mm.Registry("metric", parent=mm.METRICS, scope=SCOPE, locations=["rs_adapt.metrics"])
HOOKS = mm.Registry("hook", parent=mm.HOOKS, scope=SCOPE, locations=["rs_adapt.engine"])
LOOPS = mm.Registry("loop", parent=mm.LOOPS, scope=SCOPE, locations=["rs_adapt.engine"])
OPTIM_WRAPPERS = mm.Registry("optimizer wrapper", parent=mm.OPTIM_WRAPPERS, scope=SCOPE, locations=["rs_adapt.engine"])
