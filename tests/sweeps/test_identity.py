from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, paths, resolve_cell
from rs_adapt.plugins import forget_plugins, use_plugins
from rs_adapt.sweeps.identity import config_identity, describe_difference, hash_identity

if TYPE_CHECKING:
    from pathlib import Path


def identity(
    bench: str = "loveda-da",
    *,
    seed: int = 0,
    protocol: str | None = None,
    method: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    return dict(config_identity(compose(resolve_cell(bench, seed=seed, protocol=protocol, method=method), **options)))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"protocol": "paper"},
        {"overrides": ["optim.lr=1e-3"]},
        {"iters": 100},
        {"precision": "bf16"},
        {"weights": "random"},
        {"bench": "loveda-u2r-da"},
    ],
    ids=str,
)
def test_values_that_change_the_result_change_the_hash(change: dict[str, Any]) -> None:
    assert hash_identity(identity(**change)) != hash_identity(identity())


@pytest.mark.parametrize("bench", ["loveda-da", "synthetic-dg"])
def test_paths_and_loaders_do_not_change_the_hash(bench: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hash_identity(identity(bench))
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    moved = identity(bench, work_dir=tmp_path / "run", data_root=tmp_path / "data", num_workers=7)
    assert hash_identity(moved) == before
    assert not [key for key, value in moved.items() if str(tmp_path) in str(value)]


def test_a_new_version_of_the_protocol_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity()
    own = shutil.copytree(paths.configs_dir(), tmp_path / "configs")
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(own))
    file = own / "protocol" / "strict.py"
    file.write_text(file.read_text().replace('title="the last', 'title="other words: the last'))
    assert hash_identity(identity()) == hash_identity(before)
    file.write_text(file.read_text().replace("version=1", "version=2"))
    assert describe_difference(before, identity()) == "protocol.version: 1 -> 2"


def test_a_changed_plugin_changes_the_hash_of_its_methods_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("_base_ = 'lora.py'\nmethod = dict(name='mine')\n")
    try:
        use_plugins([file])
        before, other = identity("synthetic-dg", method="mine"), identity("synthetic-dg", method="lora")
        file.write_text(file.read_text() + "# Different code.\n")
        use_plugins([file])
        assert describe_difference(before, identity("synthetic-dg", method="mine")).startswith("plugin.mine.py: ")
        assert identity("synthetic-dg", method="lora") == other
        assert not [key for key in other if key.startswith("plugin.")]
    finally:
        forget_plugins()


def test_a_changed_manifest_of_the_data_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity("isprs-da")
    own = shutil.copytree(paths.manifests_dir(), tmp_path / "manifests")
    monkeypatch.setattr(paths, "manifests_dir", lambda: own)
    assert identity("isprs-da") == before
    file = own / "potsdam.toml"
    file.write_text(file.read_text().replace('title = "', 'title = "New words: '))
    assert identity("isprs-da") == before
    file.write_text(re.sub(r'(?m)^note = ".*"$', 'note = "New words."', file.read_text()))
    assert 'note = "New words."' in file.read_text()
    assert identity("isprs-da") == before
    file.write_text(file.read_text() + '\n[[archives]]\nname = "more.zip"\nmd5 = "00"\n')
    changed = identity("isprs-da")
    assert [key for key in changed if changed[key] != before[key]] == ["data.potsdam"]


def test_a_file_of_weights_is_identified_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(b"one")
    (tmp_path / "b.pth").write_bytes(b"one")
    same = [identity(weights=tmp_path / name)["weights"] for name in ("a.pth", "b.pth")]
    (tmp_path / "b.pth").write_bytes(b"two")
    assert same[0] == same[1] != identity(weights=tmp_path / "b.pth")["weights"]


def test_a_difference_names_the_first_keys() -> None:
    assert (
        describe_difference({"a": 1, "b": 2, "c": [3]}, {"a": 1, "b": 3, "d": 4})
        == "b: 2 -> 3, c: [3] -> null, and 1 more"
    )
