"""Folders of packs that were pulled: they name their address, and results about them lie elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, serve_hub, use_hub

from rs_adapt.downloads.hub import HubAddress
from rs_adapt.errors import HubError
from rs_adapt.runs.hub_packs import describe_checkpoint, hub_origin, pull_pack, results_folder

STORED = Path(__file__).parent / "stored_0_1_0" / "finished"
FILES = {name: (STORED / name).read_bytes() for name in ("manifest.json", "adapter.safetensors")}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serve_hub() as served:
        use_hub(served.url, tmp_path / "cache", monkeypatch, token=None)
        yield served


def test_a_folder_belongs_to_one_commit(hub: Hub, own_home: Path, tmp_path: Path) -> None:
    repository = hub.add("bob/first", FILES | {"README.md": b"1"})
    notes: list[str] = []
    stages: list[str] = []
    address = HubAddress(repository="bob/first")
    old = pull_pack(
        address, on_note=notes.append, on_progress=lambda stage, done, total: stages.append(f"{stage} {done}/{total}")
    )
    commit = repository.branches["main"]
    assert old == own_home / "hub" / "bob--first" / commit
    assert notes == [f"hf:bob/first is commit {commit}"]
    assert stages[-1] == "downloading adapter.safetensors 76824/76824"
    assert hub_origin(old) == describe_checkpoint(old) == f"hf:bob/first@{commit}"
    assert results_folder(old) == Path("work_dirs/hub/bob/first") / commit[:12]
    # The branch moves: a different folder, and the old one stays.
    repository.commit("main", FILES | {"README.md": b"2"})
    new = pull_pack(address)
    assert new != old
    assert pull_pack(HubAddress(repository="bob/first", revision=commit)) == old
    assert {path.name for path in old.iterdir()} == set(FILES)
    # No second copy of the bytes in the Hub's cache.
    assert (old / "adapter.safetensors").stat().st_nlink == 3
    assert hub_origin(tmp_path) is None
    assert results_folder(tmp_path) == tmp_path
    assert describe_checkpoint(tmp_path) == str(tmp_path)


def test_a_cache_folder_that_cannot_be_written_is_named(hub: Hub, own_home: Path) -> None:
    hub.add("bob/first", FILES)
    (own_home / "hub").write_text("")
    with pytest.raises(HubError, match=r"Cannot write to .*bob--first: .*RS_ADAPT_HOME"):
        pull_pack(HubAddress(repository="bob/first"))
