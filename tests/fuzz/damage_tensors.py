"""Damaged training states and files of tensors: other structures, names, types, shapes and numbers."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable
from typing import Any

import torch
from fuzz.damage import Damaged, damage_json, walk
from safetensors.torch import load, save

# What stands in a state's place; built anew each time, because a state is changed in place.
_VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "7": lambda: 7,
    "-1": lambda: -1,
    "1e400": lambda: float("inf"),
    "nan": lambda: float("nan"),
    "10**20": lambda: 10**20,
    "True": lambda: True,
    "'x'": lambda: "x",
    "[]": list,
    "{}": dict,
    "[1]": lambda: [1],
    "{'a': 1}": lambda: {"a": 1},
    "a tensor": lambda: torch.ones(2, 3),
    "an int tensor": lambda: torch.ones(2, dtype=torch.int64),
    "a nan tensor": lambda: torch.full((3,), float("nan")),
    "a complex tensor": lambda: torch.ones(2, dtype=torch.complex64),
    "an empty tensor": lambda: torch.empty(0),
    "a scalar tensor": lambda: torch.tensor(1.0),
    "a sparse tensor": lambda: torch.ones(2, 2).to_sparse(),
}


def damage_state(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of a training state with one part of its structure changed."""
    state = torch.load(io.BytesIO(content), weights_only=True)
    if rng.random() < 0.06:
        name = rng.choice(list(_VALUES))
        return f"top = {name}", _saved(_VALUES[name]())
    owner, key, place = walk(state, rng)
    way = rng.random()
    if way < 0.2:
        del owner[key]
        return f"without {place}", _saved(state)
    if way < 0.27 and isinstance(owner, dict):
        owner[f"{key}x"] = owner.pop(key)
        return f"renamed {place}", _saved(state)
    if way < 0.4 and isinstance(owner[key], torch.Tensor):
        name, owner[key] = _changed(owner[key], rng)
        return f"{place}: {name}", _saved(state)
    name = rng.choice(list(_VALUES))
    owner[key] = _VALUES[name]()
    return f"{place} = {name}", _saved(state)


def _changed(tensor: torch.Tensor, rng: random.Random) -> tuple[str, Any]:
    choices: dict[str, Callable[[], Any]] = {
        "flat": lambda: tensor.reshape(-1),
        "one axis more": lambda: tensor[None],
        "half": lambda: tensor.half(),
        "double": lambda: tensor.double(),
        "int": lambda: tensor.to(torch.int64),
        "nan": lambda: torch.full(tensor.shape, float("nan")),
        "empty": lambda: torch.empty(0),
        "stride 0": lambda: torch.zeros(1).expand(tensor.shape),
    }
    name = rng.choice(list(choices))
    return name, choices[name]()


def _saved(value: Any) -> bytes:
    written = io.BytesIO()
    torch.save(value, written)
    return written.getvalue()


def damage_tensors(content: bytes, rng: random.Random) -> Damaged:
    """Return a version of a safetensors file with another header, or with a tensor changed, renamed or left out."""
    if content[:2] == b"PK":
        return _damage_saved(content, rng)
    if rng.random() < 0.4:
        length = struct.unpack("<Q", content[:8])[0]
        name, header = damage_json(content[8 : 8 + length], rng)
        return f"header {name}", struct.pack("<Q", len(header or b"")) + (header or b"") + content[8 + length :]
    tensors = load(content)
    name = _change_one(tensors, rng)
    kept = {key: value.contiguous() for key, value in tensors.items() if isinstance(value, torch.Tensor)}
    return name, save(kept)


def _damage_saved(content: bytes, rng: random.Random) -> Damaged:
    tensors = dict(torch.load(io.BytesIO(content), weights_only=True))
    if rng.random() < 0.3:
        key, name = rng.choice(list(tensors)), rng.choice(list(_VALUES))
        tensors[key] = _VALUES[name]()
        return f"{key} = {name}", _saved(tensors)
    return _change_one(tensors, rng), _saved(tensors)


def _change_one(tensors: dict[str, Any], rng: random.Random) -> str:
    key = rng.choice(list(tensors))
    way = rng.random()
    if way < 0.25:
        del tensors[key]
        return f"without {key}"
    if way < 0.4:
        tensors[f"{key}x"] = tensors.pop(key)
        return f"renamed {key}"
    if way < 0.5:
        # All of a block, as a file of a smaller model has it.
        part = ".".join(key.split(".")[:3])
        for name in [name for name in tensors if name.startswith(part)]:
            del tensors[name]
        return f"without {part}.*"
    name, tensors[key] = _changed(tensors[key], rng)
    return f"{key}: {name}"
