"""Values of `--slurm NAME=VALUE`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import typer


def parse_parameters(texts: Sequence[str]) -> dict[str, object]:
    """Return the values by name: numbers, lists and tables as JSON, all others as text.

    Raises:
        BadParameter: A text has no name, or a name is given twice.
    """
    values: dict[str, object] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            raise typer.BadParameter(
                f"{text!r} is no parameter. Allowed: NAME=VALUE, such as timeout_min=60.", param_hint="--slurm"
            )
        if name in values:
            raise typer.BadParameter(f"{name} is given twice.", param_hint="--slurm")
        try:
            values[name] = json.loads(value)
        except ValueError:
            values[name] = value
    return values
