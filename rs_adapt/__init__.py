"""rs-adapt: domain adaptation and generalization experiments in remote-sensing semantic segmentation.

    import rs_adapt as rsa

    cfg = rsa.compose("synthetic-da", method="lora", iters=200)
    run = rsa.train(cfg)
    rsa.evaluate(run, split="source-val")
    model = rsa.load(run)
    rsa.report("work_dirs")

Each function is the one that the verb of its name calls on the command line; `push` is `export --push`. They are
imported when they are first used, so that `import rs_adapt` loads neither torch nor numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from rs_adapt import errors
from rs_adapt.errors import RsAdaptError

if TYPE_CHECKING:
    from rs_adapt.api.averaged_adaptation import adapt
    from rs_adapt.api.averaging import average
    from rs_adapt.api.calibration import calibrate
    from rs_adapt.api.checking import lint, verify
    from rs_adapt.api.configuration import compose
    from rs_adapt.api.judging import judge
    from rs_adapt.api.models import evaluate, load
    from rs_adapt.api.prediction import predict
    from rs_adapt.api.pushing import push
    from rs_adapt.api.reading import collect, compare, report, score
    from rs_adapt.api.sharing import share
    from rs_adapt.api.training import check, train
    from rs_adapt.config.cell import resolve

__version__ = "0.1.0"

__all__ = [
    "RsAdaptError",
    "__version__",
    "adapt",
    "average",
    "calibrate",
    "check",
    "collect",
    "compare",
    "compose",
    "errors",
    "evaluate",
    "judge",
    "lint",
    "load",
    "predict",
    "push",
    "report",
    "resolve",
    "score",
    "share",
    "train",
    "verify",
]

_MODULES = {
    "adapt": "api.averaged_adaptation",
    "average": "api.averaging",
    "calibrate": "api.calibration",
    "check": "api.training",
    "collect": "api.reading",
    "compare": "api.reading",
    "compose": "api.configuration",
    "evaluate": "api.models",
    "judge": "api.judging",
    "lint": "api.checking",
    "load": "api.models",
    "predict": "api.prediction",
    "push": "api.pushing",
    "report": "api.reading",
    "resolve": "config.cell",
    "score": "api.reading",
    "share": "api.sharing",
    "train": "api.training",
    "verify": "api.checking",
}


def __getattr__(name: str) -> object:
    """Import a function of `__all__` when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'rs_adapt' has no attribute {name!r}")
    function: object = getattr(import_module(f"rs_adapt.{_MODULES[name]}"), name)
    globals()[name] = function
    return function


def __dir__() -> list[str]:
    """Return the public names, for completion in editors and notebooks."""
    return __all__
