from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, resolve_cell, to_python

if TYPE_CHECKING:
    from pathlib import Path


def read_back(text: str, tmp_path: Path) -> Any:
    from mmengine.config import Config

    file = tmp_path / "config.py"
    file.write_text(text)
    return Config.fromfile(str(file), import_custom_modules=False).to_dict()


@pytest.mark.parametrize("bench", ["loveda-da", "loveda-u2r-dg", "isprs-ss"])
def test_a_composed_config_is_equal_when_read_back(bench: str, tmp_path: Path) -> None:
    cfg = compose(resolve_cell(bench))
    assert read_back(to_python(cfg), tmp_path) == cfg.to_dict()


def test_mmengines_own_dump_is_equal_too(tmp_path: Path) -> None:
    from mmengine.config import Config

    cfg = compose(resolve_cell("loveda-da"))
    cfg.dump(tmp_path / "config.py")
    assert Config.fromfile(str(tmp_path / "config.py"), import_custom_modules=False).to_dict() == cfg.to_dict()


def test_values_of_every_kind_survive(tmp_path: Path) -> None:
    from mmengine.config import Config

    tree = {
        "a": {"1x": 1, "norm.weight": {"decay_mult": 0.0}, "class": None},
        "b": [(), [], {}, (1,), "it's", 1e-8, True, -3],
        "c": {"long": ["x" * 30] * 9, "pair": ("y" * 70, {"deep": "z" * 80})},
    }
    text = to_python(Config(tree))
    assert read_back(text, tmp_path) == tree
    assert max(map(len, text.splitlines())) <= 120
