"""Scenes that are predicted in several processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.prediction import many


def test_a_script_is_not_run_again_by_processes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(many, "may_start_processes", lambda: False)
    maps = {tmp_path / f"{name}.tif": tmp_path / "maps" / f"{name}.tif" for name in "ab"}
    with pytest.raises(many.ConfigError, match=r"jobs is 2, but processes cannot be started from a script"):
        many.predict_scenes(
            object(),  # type: ignore[arg-type]
            maps,
            jobs=3,
            on_progress=lambda stage, done, total: None,
            on_start=lambda stage, done, total, mpx: None,
        )
