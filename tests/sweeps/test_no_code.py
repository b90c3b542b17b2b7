"""`sweep --no-code` refuses files that can run code of their own, and the shipped ones are none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.commands import main
from rs_adapt.config.paths import configs_dir
from rs_adapt.errors import ConfigError
from rs_adapt.sweeps.no_code import find_code, refuse_code
from rs_adapt.sweeps.spec import read_spec

START = 'name = "x"\nbench = "synthetic-da"\niters = 1\n'


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[launcher]\ncommand = ["touch", "harm"]', "launcher.command"),
        ('[launcher]\nkind = "slurm"\nslurm = {slurm_setup = ["touch harm"]}', "launcher.slurm.slurm_setup"),
        ('plugins = ["harm.py"]', "plugins"),
        ('set = ["optim_wrapper.optimizer.type=os.system"]', "set optim_wrapper.optimizer.type"),
        ('[[include]]\nname = "y"\nset = ["model.decode_head.type=os.system"]', "set model.decode_head.type"),
        ("set = [\"custom_hooks=[{'type': 'os.system'}]\"]", "set custom_hooks"),
    ],
)
def test_a_file_with_code_is_refused(
    tmp_path: Path, text: str, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.toml").write_text(START + text)
    for verb in ("sweep", "plan"):
        with pytest.raises(SystemExit) as stop:
            main([verb, "x.toml", "--no-code"])
        assert stop.value.code == 2
        assert f"can run programs or code of its own: {key}" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.toml"]


@pytest.mark.parametrize("file", sorted((configs_dir() / "sweep").glob("*.toml")), ids=lambda file: file.stem)
def test_shipped_sweeps_hold_no_code(file: Path) -> None:
    assert find_code(read_spec(file)) == []


def test_plain_overrides_are_no_code(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(START + 'set = ["optim.lr=1e-3", "strategy.mix_weight=0.4"]')
    refuse_code(read_spec(tmp_path / "x.toml"))
    (tmp_path / "y.toml").write_text(START + '[launcher]\ncommand = ["x"]')
    spec = read_spec(tmp_path / "y.toml")
    with pytest.raises(ConfigError, match="launcher.command"):
        refuse_code(spec)
