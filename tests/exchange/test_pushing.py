"""What is pushed holds nothing of the machine, and is never a half."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, serve_hub, use_hub

from rs_adapt.downloads.hub import HubAddress
from rs_adapt.errors import CheckpointMismatch, ConfigError, HubError
from rs_adapt.exchange.pushing import push_pack

STORED = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
ADDRESS = HubAddress(repository="carol/first")
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub() as served:
        use_hub(served.url, tmp_path / "cache", monkeypatch, token="hf_carol")
        yield served


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Return a copy of a stored pack."""
    (tmp_path / "pack").mkdir()
    for name in ("manifest.json", "adapter.safetensors"):
        shutil.copyfile(STORED / name, tmp_path / "pack" / name)
    return tmp_path / "pack"


def change(pack: Path, **changes: Any) -> None:
    content = json.loads((pack / "manifest.json").read_text())
    (pack / "manifest.json").write_text(json.dumps(content | changes))


def test_paths_are_replaced_and_the_rest_stays(hub: Hub, pack: Path) -> None:
    content = json.loads((pack / "manifest.json").read_text())
    own = {"name": "mine", "target": {"images": "/home/carol/secret/tiles"}}
    change(pack, own_bench=own, cell=content["cell"] | {"bench": "/home/carol/secret/mine.toml"})
    pushed = push_pack(pack, ADDRESS)
    assert pushed.rewritten == ("manifest.json",)
    files = hub.repositories["carol/first"].files()
    stored = json.loads(files["manifest.json"])
    assert stored["cell"]["bench"].endswith("mine.toml")
    assert stored["cell"]["bench"].startswith("anonymous/")
    assert stored["own_bench"]["name"] == "mine"
    assert {key for key in stored if stored[key] != content[key]} == {"cell", "own_bench"}
    assert not any(b"secret" in text or b"/home" in text for text in files.values())
    # The repository has an owner, and the machine's user may have the same name.
    assert b"hf:carol/first" in files["README.md"]


@pytest.mark.parametrize("place", ["notes", "classes", "overrides"])
def test_names_of_users_that_cannot_be_replaced_are_refused(
    hub: Hub, pack: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("USER", "ganymede")
    content = json.loads((pack / "manifest.json").read_text())
    change(pack, **{place: [*content.get(place, []), "tiles.ganymede"]})
    with pytest.raises(ConfigError, match=r"manifest\.json holds the name of a user or a machine"):
        push_pack(pack, ADDRESS)
    assert hub.calls == []


def test_damaged_and_merged_packs_are_refused_before_anything_is_asked(hub: Hub, pack: Path) -> None:
    base = json.loads((pack / "manifest.json").read_text())["base"]
    change(pack, merged={"method": "lora", "base": base, "backbone_file_sha256": "0" * 64})
    with pytest.raises(ConfigError, match="of a merged backbone, which is not pushed"):
        push_pack(pack, ADDRESS)
    (pack / "adapter.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointMismatch, match="is damaged: its SHA-256 is not the manifest's"):
        push_pack(pack, ADDRESS)
    assert hub.calls == []


def test_a_branch_that_moves_meanwhile_is_not_overwritten(
    hub: Hub, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi

    repository = hub.add("carol/first", {"notes.txt": b"1"})
    preupload = HfApi.preupload_lfs_files

    def slow_upload(*arguments: Any, **options: Any) -> None:
        repository.commit("main", {"notes.txt": b"2"})
        preupload(*arguments, **options)

    monkeypatch.setattr(HfApi, "preupload_lfs_files", slow_upload)
    with pytest.raises(HubError, match=r"was changed at the same time: .* Nothing was written; run the command again"):
        push_pack(pack, ADDRESS)
    assert repository.files() == {"notes.txt": b"2"}
