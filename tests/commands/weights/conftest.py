"""Commands on files of weights, and a server of this machine that has the nano's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.commands import main
from rs_adapt.config.paths import configs_dir, shipped_weights_dir

NANO = shipped_weights_dir() / "dinov2_nano.safetensors"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that runs a command and gives exit code, stdout and stderr."""

    def call(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        return int(stopped.value.code or 0), shown.out, shown.err

    return call


@pytest.fixture
def published(server: Any, own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the nano a backbone whose weights have to be fetched from the server; return where they will lie."""
    shutil.copytree(configs_dir(), tmp_path / "configs")
    config = tmp_path / "configs" / "backbone" / "dinov2_nano.py"
    url = server.put("dinov2_nano.safetensors", NANO.read_bytes())
    config.write_text(config.read_text().replace("shipped=True,", f'url="{url}",'))
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(tmp_path / "configs"))
    return own_home / "weights" / "dinov2_nano.safetensors"


@pytest.fixture
def entry(tmp_path: Path, published: Path) -> Callable[..., None]:
    """Return a function that adds the backbone `other`, whose file is none of those that are published."""

    def add(**facts: str) -> None:
        facts = {"file": "other.pt", "licence": "MIT"} | facts
        source = (tmp_path / "configs" / "backbone" / "dinov2_s.py").read_text()
        head = source[: source.index("    weights=dict(")].replace("dinov2_s", "other")
        tail = source[source.index("    level_strides") :]
        weights = ", ".join(f"{key}={value!r}" for key, value in facts.items())
        (tmp_path / "configs" / "backbone" / "other.py").write_text(f"{head}    weights=dict({weights}),\n{tail}")

    return add
