from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rs_adapt.audit.foreign.log_text import lines_of
from rs_adapt.audit.foreign.reader import read_foreign
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

STAMP = "2025/01/01 12:00:00 - mmengine - INFO - "
COLOURED = "01/01 12:00:00 - mmengine - \x1b[4m\x1b[97mINFO\x1b[0m - "
NAMED = "2025-01-01 12:00:00,123 - mmseg.core-runner - INFO - "


def test_lines_are_those_of_an_editor() -> None:
    assert lines_of("a\x0cb\r\n 1/9\r 2/9\r\x1b[32mdone\x1b[0m\nc") == ["a\x0cb", "done", "c"]


@pytest.mark.parametrize("stamp", [STAMP, COLOURED, NAMED])
def test_stamps_of_consoles_and_of_named_loggers(tmp_path: Path, stamp: str) -> None:
    path = tmp_path / "nohup.out"
    path.write_bytes(f"\x1b[1mrun\x1b[0m\n 1/2\r 2/2\r\n{stamp}Config:\nlr = 1\nmodel = dict(\n    lr=2)\n\n".encode())
    lr = read_foreign(path).root.at("model", "lr")
    assert lr is not None
    assert (lr.value, lr.site.line) == (2, 6)


def test_a_log_may_hold_any_bytes_but_a_configuration_may_not(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(f"{STAMP}Config:\nlr = 1\n\n".encode() + b"caf\xe9\n")
    assert read_foreign(log).root.plain() == {"lr": 1}
    config = tmp_path / "x.py"
    config.write_bytes(b"lr = 'caf\xe9'\n")
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        read_foreign(config)
    log.write_bytes(f"{STAMP}Config:\nlr = 1\n".encode("utf-16"))
    with pytest.raises(ConfigError, match="is not text in UTF-8"):
        read_foreign(log)


def test_only_json_lines_have_their_configuration_beside(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("lr = 1\n")
    lines = tmp_path / "scalars.json"
    lines.write_text('{"lr": 0.1, "step": 1}\n')
    assert read_foreign(lines).root.plain() == {"lr": 1}
    lines.write_text('{"name": "a model"}\n')
    with pytest.raises(ConfigError, match="holds no configuration"):
        read_foreign(lines)


def test_a_folder_of_configurations_is_told_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "r2u.py").write_text("lr = 1\n")
    with pytest.raises(ConfigError, match=r"It holds configurations: name one of them, such as .*r2u\.py"):
        read_foreign(tmp_path)
