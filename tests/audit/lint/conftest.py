"""A configuration of another program beside its bases, for the tests of lint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.foreign_layouts import GENERALIZATION_SETS, MMSEG_DATA, MMSEG_MODEL, MMSEG_RUNTIME

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a configuration beside its bases, with a text changed, and returns its path."""
    for name, text in {
        "data": MMSEG_DATA,
        "model": MMSEG_MODEL,
        "runtime": MMSEG_RUNTIME,
        "sets": GENERALIZATION_SETS,
    }.items():
        (tmp_path / "_base_").mkdir(exist_ok=True)
        (tmp_path / "_base_" / f"{name}.py").write_text(text)

    def write_changed(text: str, *changes: tuple[str, str], base: str = "", more: str = "") -> Path:
        path = tmp_path / "config.py"
        changed = tmp_path / "_base_" / f"{base}.py" if base else path
        path.write_text(text + more)
        for old, new in changes:
            content = changed.read_text()
            assert content.count(old) >= 1, old
            changed.write_text(content.replace(old, new, 1))
        return path

    return write_changed
