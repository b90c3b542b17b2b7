"""Damaged versions of files, drawn by lot: bytes that are cut, zeroed or flipped, values of other types, other files.

`damage(kind, content, rng)` gives a name for the damage and the bytes to write; None stands for a folder in place of
the file.
"""

from __future__ import annotations

import io
import json
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

Damaged = tuple[str, bytes | None]
_MARK = "@damage@"
# Values of other types, other magnitudes and hostile texts, as JSON writes them.
_JSON_VALUES = (
    *("null", "true", "false", "0", "-1", "7", "3.5", "1e400", "-1e400", "NaN", "Infinity", "1e-400"),
    *("1" * 25, "-" + "1" * 25, "9" * 4500, '""', '"x"', f'"{"x" * 5000}"', '"[/x]"', '"../../x"', '"=1+1"'),
    *('"\\u001b[31m[/red][bold]"', '"$\\\\frac{$"', '"\\u0000"', '"\\ud800"', "[]", "{}", "[1, 2, 3]"),
    *('{"a": 1}', "[null]", '[["x"]]', "[" * 1000 + "]" * 1000, '{"a":' * 1000 + "1" + "}" * 1000, "[" * 100_000),
)
# The same in TOML and in Python, which write most of them alike.
_TOML_VALUES = (
    *("true", "0", "-1", "7", "3.5", "inf", "nan", "1e400", "1" * 25, '""', '"x"', '"[/x]"', '"../../x"', '"=1+1"'),
    *('"\\u001b[31m[bold]"', "'$\\frac{$'", f'"{"x" * 3000}"', "[]", "{}", "[1, 2, 3]", "{a = 1}", '[["x"]]'),
    *("[" * 1500 + "]" * 1500, "1979-05-27", "9" * 4500, "['a', 'b']", "[-1]", '[""]', "[nan]"),
)
_PYTHON_VALUES = (
    *("None", "True", "0", "-1", "3.5", "1e400", "1" * 25, "''", "'x'", "'[/x]'", "'../../x'", "[]", "{}", "dict()"),
    *("[1, 2, 3]", "[['x']]", "(1,)", "{1: 2}", "[" * 90 + "]" * 90, "-" * 500 + "1", "9" * 4500, "__import__('os')"),
)


def damage(kind: str, content: bytes, rng: random.Random) -> Damaged:
    """Return a damaged version of a file of a kind: json, jsonl, toml, python, npz, state, tensors, zip or bytes."""
    inside = _INSIDE.get(kind)
    if inside is None or rng.random() < (0.7 if kind in ("zip", "text") else 0.35):
        return damage_bytes(content, rng)
    return inside(content, rng)


def damage_bytes(content: bytes, rng: random.Random) -> Damaged:
    """Return a version in which bytes are damaged without regard to what they mean."""
    name, change = rng.choice(_ON_BYTES)
    return name, change(content, rng)


def _block(content: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(max(1, len(content)))
    return start, min(len(content), start + rng.choice((1, 4, 16, 64, 512, 4096)))


def _replace(content: bytes, rng: random.Random, make: Callable[[int], bytes]) -> bytes:
    start, end = _block(content, rng)
    return content[:start] + make(end - start) + content[end:]


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _pickled(_content: bytes, _rng: random.Random) -> bytes:
    return pickle.dumps({"a": [1, 2, 3]})


_ON_BYTES: tuple[tuple[str, Callable[[bytes, random.Random], bytes | None]], ...] = (
    ("empty", lambda content, rng: b""),
    ("cut", lambda content, rng: content[: rng.randrange(max(1, len(content)))]),
    ("cut at the end", lambda content, rng: content[: -rng.choice((1, 2, 8, 40))]),
    ("zero block", lambda content, rng: _replace(content, rng, bytes)),
    ("ff block", lambda content, rng: _replace(content, rng, lambda length: b"\xff" * length)),
    ("random block", lambda content, rng: _replace(content, rng, rng.randbytes)),
    ("flipped bits", _flip),
    ("flipped bits ", _flip),
    ("block deleted", lambda content, rng: _replace(content, rng, lambda _: b"")),
    ("block twice", lambda content, rng: content[: (at := _block(content, rng))[1]] + content[at[0] :]),
    ("random bytes", lambda content, rng: rng.randbytes(128)),
    ("all zero", lambda content, rng: bytes(min(len(content), 4096))),
    ("a pickle", _pickled),
    ("a page", lambda content, rng: b"<!DOCTYPE html><html><body>404 Not Found</body></html>"),
    ("appended", lambda content, rng: content + rng.randbytes(64)),
    ("utf-16", lambda content, rng: b"\xff\xfe" + content[:2000].decode("latin-1").encode("utf-16-le")),
    ("a folder", lambda content, rng: None),
)


def walk(value: Any, rng: random.Random, place: str = "") -> tuple[Any, Any, str]:
    """Return a container below a value, one of its keys and the place of both, drawn by lot."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = rng.choice(keys)
    inner, place = value[key], f"{place}.{key}" if place else str(key)
    if isinstance(inner, dict | list) and inner and rng.random() < 0.75:
        return walk(inner, rng, place)
    return value, key, place


def damage_json(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of a JSON text with one value, key or structure changed."""
    try:
        document = json.loads(content)
    except ValueError:
        return damage_bytes(content, rng)
    raw = rng.choice(_JSON_VALUES)
    if rng.random() < 0.06 or not isinstance(document, dict | list) or not document:
        return f"top = {raw[:24]}", raw.encode()
    owner, key, place = walk(document, rng)
    way = rng.random()
    if way < 0.15:
        del owner[key]
        return f"without {place}", json.dumps(document).encode()
    if way < 0.2 and isinstance(owner, dict):
        inner = json.dumps(owner)
        text = json.dumps(document).replace(inner, f"{inner[:-1]}, {json.dumps(key)}: {raw}}}", 1)
        return f"twice {place} = {raw[:24]}", text.encode()
    if way < 0.25 and isinstance(owner, dict):
        owner[f"{key}x"] = owner.pop(key)
        return f"renamed {place}", json.dumps(document).encode()
    owner[key] = _MARK
    return f"{place} = {raw[:24]}", json.dumps(document).replace(f'"{_MARK}"', raw).encode()


def damage_json_lines(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of JSON lines with one line changed, cut, left out or doubled."""
    lines = content.decode(errors="replace").splitlines()
    if not lines:
        return damage_bytes(content, rng)
    number = rng.randrange(len(lines))
    way = rng.random()
    if way < 0.1:
        lines[number] = lines[number][: rng.randrange(len(lines[number]) + 1)]
        return f"line {number + 1} cut", "\n".join(lines).encode()
    if way < 0.17:
        lines.insert(number, lines[number])
        return f"line {number + 1} twice", ("\n".join(lines) + "\n").encode()
    if way < 0.22:
        lines[number] = rng.choice(_JSON_VALUES)
        return f"line {number + 1} = {lines[number][:24]}", ("\n".join(lines) + "\n").encode()
    name, changed = damage_json(lines[number].encode(), rng)
    text = (changed or b"").decode(errors="replace")
    lines[number] = text
    return f"line {number + 1}: {name}", ("\n".join(lines) + "\n").encode(errors="replace")


def _damage_assignments(values: tuple[str, ...], separator: str) -> Callable[[bytes, random.Random], Damaged]:
    """Return a function that changes the value of one line `key = value`, or leaves out or doubles a line."""
    pattern = re.compile(rf"^(\s*[\w.\"]+\s*{separator}\s*)(.+?)(,?)$")

    def change(content: bytes, rng: random.Random) -> Damaged:
        lines = content.decode(errors="replace").splitlines()
        places = [number for number, line in enumerate(lines) if pattern.match(line)]
        if not places:
            return damage_bytes(content, rng)
        number = rng.choice(places)
        way, before = rng.random(), lines[number].strip()[:40]
        if way < 0.12:
            del lines[number]
            return f"without line {before!r}", "\n".join(lines).encode()
        if way < 0.17:
            lines.insert(number, lines[number])
            return f"twice line {before!r}", "\n".join(lines).encode()
        value = rng.choice(values)
        lines[number] = pattern.sub(lambda match: f"{match[1]}{value}{match[3]}", lines[number])
        return f"{before.split(separator)[0].strip()} = {value[:24]}", "\n".join(lines).encode()

    return change


def damage_zip(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of a zip in which a member is damaged, missing, renamed or wrongly described."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    name = rng.choice(list(members))
    way = rng.choice(("damaged", "without", "renamed", "end records", "encrypted"))
    if way == "end records":
        return way, content[: content.rfind(b"PK\x05\x06")]
    if way == "encrypted":
        # The flag of an encrypted member, in both of its headers.
        place = content.find(b"PK\x01\x02")
        return way, content[: place + 8] + struct.pack("<H", 1) + content[place + 10 :]
    if way == "damaged":
        change, members[name] = damage_bytes(members[name], rng)[0], damage_bytes(members[name], rng)[1] or b""
        way = f"damaged ({change})"
    elif way == "without":
        del members[name]
    else:
        members[f"{name}x"] = members.pop(name)
    return f"{way} {name}", write_zip(members)


def write_zip(members: dict[str, bytes]) -> bytes:
    """Return a zip of members, stored as they are."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, value in members.items():
            archive.writestr(name, value)
    return written.getvalue()


def damage_npz(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of stored matrices with other names, facts, shapes, types or counts."""
    import numpy as np

    arrays = dict(np.load(io.BytesIO(content)))
    way = rng.random()
    if way < 0.55:
        name, text = damage_json(arrays["text"].tobytes(), rng)
        arrays["text"] = np.frombuffer(text or b"", np.uint8)
        way_name = f"text {name}"
    elif way < 0.65:
        return damage_zip(content, rng)
    else:
        counts = arrays["counts_NKK"]
        choices: dict[str, Any] = {
            "transposed": counts.T,
            "flat": counts.ravel(),
            "signed": counts.astype(np.int64) - 1,
            "float": counts.astype(np.float64),
            "complex": counts.astype(np.complex64),
            "text": counts.astype(str),
            "object": counts.astype(object),
            "huge": np.full_like(counts, 2**63, dtype=np.uint64),
            "one image less": counts[:-1],
            "no image": counts[:0],
            "no class": counts[:, :0, :0],
            "12 000 classes": np.zeros((1, 12_000, 12_000), np.uint8),
            "0-d": np.array(3),
        }
        way_name = rng.choice(list(choices))
        arrays["counts_NKK"] = choices[way_name]
        if way_name == "12 000 classes":
            facts = json.loads(arrays["text"].tobytes())
            facts |= {"classes": [f"c{number}" for number in range(12_000)], "tiles": ["t"], "scenes": [""]}
            arrays["text"] = np.frombuffer(json.dumps(facts | {"cities": [""]}).encode(), np.uint8)
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return way_name, written.getvalue()


def _tensors(content: bytes, rng: random.Random) -> Damaged:
    from fuzz.damage_tensors import damage_tensors

    return damage_tensors(content, rng)


def _state(content: bytes, rng: random.Random) -> Damaged:
    from fuzz.damage_tensors import damage_state

    return damage_state(content, rng)


_INSIDE: dict[str, Callable[[bytes, random.Random], Damaged]] = {
    "json": damage_json,
    "jsonl": damage_json_lines,
    "toml": _damage_assignments(_TOML_VALUES, "="),
    "python": _damage_assignments(_PYTHON_VALUES, "="),
    "text": damage_json_lines,
    "zip": damage_zip,
    "npz": damage_npz,
    "tensors": _tensors,
    "state": _state,
}
