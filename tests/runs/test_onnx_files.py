"""What an ONNX model states about itself: read without ONNX' packages, compared with its bytes, or refused."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx_models import RUN, write_graph, write_model

from rs_adapt.errors import CheckpointMismatch
from rs_adapt.files import file_sha256
from rs_adapt.runs.onnx_files import append_facts, check_onnx_content, read_onnx_facts
from rs_adapt.runs.packs import read_manifest
from rs_adapt.runs.records import FileFacts


def test_a_model_states_the_manifest_of_its_run(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx", tile_px=64, dynamic=True)
    facts = read_onnx_facts(path)
    assert facts.manifest == read_manifest(RUN)
    assert (facts.tile_px, facts.patch_px, facts.least_px, facts.dynamic, facts.merged) == (64, 8, 32, True, False)
    content = check_onnx_content(path, facts)
    assert (content.sha256, content.is_changed) == (file_sha256(path), False)
    # To other programs it is one entry of the metadata.
    (entry,) = onnx.load(path).metadata_props
    assert entry.key == "rs_adapt"
    assert entry.value.startswith('{"format": 1, "rs_adapt": "0.2.0", "manifest": {"format": 1')


def test_a_program_that_changes_the_graph_is_reported(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    before = check_onnx_content(path, read_onnx_facts(path))
    model = onnx.load(path)
    onnx.save(model, path)
    assert not check_onnx_content(path, read_onnx_facts(path)).is_changed
    model.doc_string = "made smaller"
    onnx.save(model, path)
    after = check_onnx_content(path, read_onnx_facts(path))
    assert after.is_changed
    assert after.sha256 != before.sha256


def test_tensors_beside_the_model_belong_to_it(tmp_path: Path) -> None:
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    write_graph(path)
    data.write_bytes(b"tensors")
    of = {file.name: FileFacts(file=file.name, bytes=1, sha256=file_sha256(file)) for file in (path, data)}
    graph = of[path.name].model_copy(update={"bytes": path.stat().st_size})
    facts = read_onnx_facts(write_model(tmp_path / "other.onnx"))
    append_facts(path, facts.model_copy(update={"graph": graph, "data": of[data.name]}))
    facts = read_onnx_facts(path)
    assert check_onnx_content(path, facts).sha256 == f"{file_sha256(path)}+{file_sha256(data)}"
    data.write_bytes(b"tensor5")
    with pytest.raises(CheckpointMismatch, match=r"m\.onnx\.data is no ONNX model, or damaged: its SHA-256"):
        check_onnx_content(path, facts)
    data.unlink()
    with pytest.raises(CheckpointMismatch, match=r"has its tensors in m\.onnx\.data, which is not beside it"):
        check_onnx_content(path, facts)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        # The product of the graph: only its bytes tell.
        (b"\x00\x00\x80\x40", b"\x00\x00\x80\x41", "its SHA-256 is not that of the export"),
        (b'"format": 1, "rs_adapt"', b'"format": 2, "rs_adapt"', "has format 2, this version reads format 1."),
        (
            b'"patch_px": 8, "tile_px"',
            b'"patch_px": 0, "tile_px"',
            "patch_px is 0; it must be 1 or larger. Copy it again",
        ),
        (b'"merged": false', b'"merged": fals!', "its entry rs_adapt cannot be read: it is no JSON"),
        (b"\x0a\x08rs_adapt", b"\x0a\x08rs_other", "does not state bands, stretch and classes"),
        (b'"manifest": {', b'"munifest": {', "manifest is missing"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused(old: bytes, new: bytes, sentence: str, tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    with pytest.raises(CheckpointMismatch) as refusal:
        check_onnx_content(path, read_onnx_facts(path))
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "it holds no graph"),
        (b"\x3a\x00\x72\x00", "does not state bands"),
        (b"\x3a\xff\xff\xff\xff\x0f", "it is cut off"),
        (b"\x3a" + b"\xff" * 11, "a number in it is too long"),
        (b"\x3b\x00", "byte 1 begins no field of protobuf"),
        (b"\x08\x01" * 10_000, "it has more than 10000 fields"),
        (b"II*\0\x08\0\0\0 and so on", "or damaged"),
    ],
)
def test_what_is_no_model_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointMismatch) as refusal:
        read_onnx_facts(path)
    assert sentence in str(refusal.value)


def test_every_shortened_file_is_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    content = path.read_bytes()
    for length in range(0, len(content), 37):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointMismatch):
            read_onnx_facts(path)


def test_facts_stand_once(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.onnx")
    append_facts(path, read_onnx_facts(path))
    with pytest.raises(CheckpointMismatch, match="its metadata has the entry rs_adapt twice"):
        read_onnx_facts(path)
