"""Registries behind `type="rs_adapt.X"`, usable in any mmengine config that imports this module.

They are children of mmengine's registries. Their `locations` are imported when a name is first looked up, so that
reading a configuration loads no torch. A model's class is imported when its own name is looked up, if its package
loads its classes lazily: one head imports seconds of libraries that the other does not need. A plugin is imported
then, too.
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path

from mmengine import registry as mm

from rs_adapt.errors import ConfigError
from rs_adapt.plugins import import_class

SCOPE = "rs_adapt"

_LAZY_PACKAGES = (
    "rs_adapt.backbones",
    "rs_adapt.heads",
    "rs_adapt.classification",
    "rs_adapt.captions",
    "rs_adapt.superresolution",
)


class LazyRegistry(mm.Registry):  # type: ignore[misc]
    """A registry that imports a class of `_LAZY_PACKAGES` when its name is looked up."""

    def get(self, key: str) -> type | None:
        """Return the class of a name; for an unknown name every class is imported first, so that all are registered."""
        name = key.rpartition(".")[2]
        if name not in self._module_dict:
            packages = [import_module(package) for package in _LAZY_PACKAGES]
            asked = [package for package in packages if name in package.__all__]
            for package in asked or packages:
                for attribute in [name] if asked else package.__all__:
                    getattr(package, attribute)
        if name not in self._module_dict:
            # The package's own classes come first, so that no plugin takes a name of theirs.
            self.import_from_location()
            import_class(name)
        found: type | None = super().get(key)
        if found is None:
            _explain_broken_file(name)
        return found


def _explain_broken_file(name: str) -> None:
    """Raise the reason why a class of a method is not there, where its file could not be imported.

    Raises:
        ConfigError: The file that defines the class is broken; the text names it.
    """
    broken: dict[str, str] = getattr(sys.modules.get("rs_adapt.adapters"), "broken", {})
    for file, reason in broken.items():
        if re.search(rf"^class {re.escape(name)}\b", Path(file).read_text(encoding="utf-8", errors="replace"), re.M):
            raise ConfigError(f"The class {name} is in {file}, which cannot be imported: {reason}. Fix the file.")


MODELS = LazyRegistry("model", parent=mm.MODELS, scope=SCOPE, locations=["rs_adapt.adapters", "rs_adapt.strategies"])
# Modules, because the packages `datasets` and `metrics` import their classes lazily.
_DATASET_MODULES = [
    "rs_adapt.datasets.stream",
    "rs_adapt.datasets.tile_dataset",
    "rs_adapt.datasets.scene_classes.dataset",
    "rs_adapt.captions.dataset",
    "rs_adapt.superresolution.dataset",
]
DATASETS = mm.Registry("dataset", parent=mm.DATASETS, scope=SCOPE, locations=_DATASET_MODULES)
DATA_SAMPLERS = mm.Registry("data sampler", parent=mm.DATA_SAMPLERS, scope=SCOPE, locations=_DATASET_MODULES)
_TRANSFORM_MODULES = ["rs_adapt.pipelines", "rs_adapt.superresolution.enlarging"]
TRANSFORMS = mm.Registry("transform", parent=mm.TRANSFORMS, scope=SCOPE, locations=_TRANSFORM_MODULES)
_METRIC_MODULES = [
    "rs_adapt.metrics.confusion",
    "rs_adapt.metrics.label_free",
    "rs_adapt.metrics.scenes",
    "rs_adapt.superresolution.metric",
]
METRICS = mm.Registry("metric", parent=mm.METRICS, scope=SCOPE, locations=_METRIC_MODULES)
HOOKS = mm.Registry("hook", parent=mm.HOOKS, scope=SCOPE, locations=["rs_adapt.engine"])
LOOPS = mm.Registry("loop", parent=mm.LOOPS, scope=SCOPE, locations=["rs_adapt.engine"])
OPTIM_WRAPPERS = mm.Registry("optimizer wrapper", parent=mm.OPTIM_WRAPPERS, scope=SCOPE, locations=["rs_adapt.engine"])
OPTIM_WRAPPER_CONSTRUCTORS = mm.Registry(
    "optimizer wrapper constructor",
    parent=mm.OPTIM_WRAPPER_CONSTRUCTORS,
    scope=SCOPE,
    locations=["rs_adapt.engine"],
)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Silence warnings about what rs-adapt does not do: compiled operators, changes of feature maps in place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"mmcv|mmseg|mmengine")
        warnings.filterwarnings("ignore", message=".*MultiScaleDeformableAttention.*")
        # Of `fully_shard`: feature maps are views of tokens.
        warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view tensor")
        yield


def load_libraries(default_scope: str = "mmseg") -> None:
    """Import mmsegmentation's classes without a word on the console, and look names up there by default.

    Args:
        default_scope: Where names without a prefix are looked up first.
    """
    # mmsegmentation prints a line about a package that it could not import, whatever the log level.
    with quiet_libraries(), redirect_stdout(io.StringIO()):
        from mmseg.utils import register_all_modules

        register_all_modules(init_default_scope=False)
    mm.init_default_scope(default_scope)
