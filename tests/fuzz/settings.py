"""Values that `--set` gives to keys of the resolved configuration, drawn by lot."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

VALUES = (
    *("None", "True", "0", "-1", "7", "0.5", "1e18", "-3.5", "1e400", "nan", "1" * 25, "''", "x", "[/x]", "../../x"),
    *("[]", "{}", "[1, 2, 3]", "[-1]", "['x']", "{'a': 1}", "dict(type='x')", "[[[]]]", "(1,", "-" * 3000 + "1"),
    *("[" * 300 + "]" * 300, "1" * 5000, "x" * 400, "\x1b[31m", "$\\frac{$", "=1+1", "[0, 0, 0]", "a=b", "[nan]"),
)
# Keys that are not in the configuration, or only below it.
_OTHERS = ("x", "", "=", "a.b.c", "model", "bench.pipeline", "model.decode_head.", ".", "default_scope", "work_dir")


def draw_setting(config: Path, rng: random.Random) -> str:
    """Return an argument of `--set` for a key of a run's configuration."""
    from rs_adapt.config.literals import read_literals

    tree: Any = read_literals(config, remedy="").values
    keys: list[str] = []

    def walk(value: Any, place: str) -> None:
        if place:
            keys.append(place)
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{place}.{key}" if place else str(key))

    walk(tree, "")
    key = rng.choice(keys) if rng.random() < 0.93 else rng.choice(_OTHERS)
    return f"{key}={rng.choice(VALUES)}"
