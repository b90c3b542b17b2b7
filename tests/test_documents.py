"""JSON and TOML: what is read, and that everything else is refused with one sentence."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rs_adapt.documents import (
    MAX_DEPTH,
    DocumentError,
    parse_json,
    parse_toml,
    read_bytes,
    read_json,
    read_sealed,
    read_toml,
    write_sealed,
)
from rs_adapt.errors import ConfigError, RsAdaptError, UnreadableFile
from rs_adapt.files import file_sha256
from rs_adapt.scores.per_image import PerImage

# Damage is drawn by lot in `tests/fuzz`; here it is named.
REFUSED = [
    (b"", "no JSON, or cut off"),
    (b'{"a": ', "no JSON, or cut off"),
    (b"[" * 100_000, "nested too deeply"),
    (b"[" * 70 + b"]" * 70, f"nested more than {MAX_DEPTH} levels deep"),
    (b'{"a":' * 70 + b"1" + b"}" * 70, f"nested more than {MAX_DEPTH} levels deep"),
    (b"\xff\xfe{}", "not a text in UTF-8: byte 1 is 0xff"),
    (b'{"a": NaN}', "NaN is no number of JSON"),
    (b"[-Infinity]", "-Infinity is no number of JSON"),
    (b"[1e400]", "the number 1e400 is not finite"),
    (b"[9223372036854775808]", "the number 9223372036854775808 is beyond 64 bits"),
    (b"9" * 5000, "is beyond 64 bits"),
    (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' stands twice"),
    (b'["\\u0000"]', "holds NUL or half of a character"),
    (b'{"\\ud800": 1}', "holds NUL or half of a character"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=lambda value: repr(value)[:20])
def test_json_that_no_program_of_ours_writes_is_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(text)
    with pytest.raises(UnreadableFile) as caught:
        read_json(path, remedy="Copy it again.")
    assert str(caught.value).startswith(f"{path} cannot be read: ")
    assert reason in str(caught.value)
    assert str(caught.value).endswith(". Copy it again.")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = ", "no TOML"),
        (f"a = {'[' * 5000}{']' * 5000}", "nested too deeply"),
        (f"a = {'[' * 70}{']' * 70}", f"nested more than {MAX_DEPTH} levels deep"),
        ("a = nan", "not finite"),
        ("a = 1e400", "the number 1e400 is not finite"),
        ("a = 9223372036854775808", "beyond 64 bits"),
        (f"a = {'9' * 5000}", "too long"),
        ("a = 1\na = 2", "no TOML"),
    ],
)
def test_toml_that_no_reader_can_use_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        read_toml(path, error=ConfigError)


def test_what_is_fine_is_read() -> None:
    content = {"a": [1, -2.5, None, True, "\u00e9\U0001f600"], "b": {"": 2**63 - 1}}
    assert parse_json(json.dumps(content)) == content
    assert parse_json(json.dumps(content, ensure_ascii=False).encode()) == content
    assert parse_toml('\ufeffa = 1\r\nb = ["x"]\r\n'.encode()) == {"a": 1, "b": ["x"]}
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse_json("[NaN, 1e400]", allow_nan=True)[1] == float("inf")


def test_a_folder_is_no_file_and_a_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="cannot be read: Is a directory"):
        read_json(tmp_path)
    (tmp_path / "file").touch()
    for path in (tmp_path / "none.json", tmp_path / "file" / "none.json"):
        with pytest.raises(FileNotFoundError):
            read_json(path)


def test_a_sealed_file_shows_every_change_of_its_content(tmp_path: Path) -> None:
    path = tmp_path / "cache.json"
    write_sealed(path, [[1, 2.5], {"a": None}])
    assert read_sealed(path) == [[1, 2.5], {"a": None}]
    for before, after in (("2.5", "2.4"), ("null", "true"), ('"a"', '"b"')):
        whole = path.read_text()
        path.write_text(whole.replace(before, after))
        with pytest.raises(UnreadableFile, match=r"cache\.json is damaged: its content has a different SHA-256\."):
            read_sealed(path)
        path.write_text(whole)
    path.write_text("[[1, 2.5]]")
    with pytest.raises(UnreadableFile, match="holds no content with its hash"):
        read_sealed(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(JSON | st.binary(max_size=40) | st.text(max_size=40))
def test_anything_is_read_or_refused_as_json_and_as_toml(value: object) -> None:
    texts = [value] if isinstance(value, bytes | str) else [json.dumps(value), json.dumps(value, ensure_ascii=False)]
    for text in texts:
        for parse in (parse_json, parse_toml):
            with contextlib.suppress(DocumentError):
                parse(text)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "result.json"
    os.mkfifo(pipe)
    for read in (read_json, read_bytes, PerImage.load, file_sha256):
        with pytest.raises((RsAdaptError, OSError), match="a pipe or a device, and no file"):
            read(pipe)
