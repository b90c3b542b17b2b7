"""JSON and TOML read strictly: what no program of this project writes is refused with one sentence.

Refused are bytes that are no UTF-8, keys that stand twice, NaN and numbers beyond 64 bits or the range of floats,
characters that no file name or terminal can hold, and nesting so deep that a reader would exhaust the stack.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rs_adapt import limits
from rs_adapt.disk import require_regular
from rs_adapt.errors import RsAdaptError, UnreadableFile
from rs_adapt.files import write_text

# Records of this project nest less than ten levels.
MAX_DEPTH = 64
_MAX_INT = 2**63
# In Python's own limit on the digits of a number, which it raises as a plain ValueError.
_MAX_DIGITS = 4000
# How JSON writes half of a character, and NUL.
_SUSPECT = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")


class DocumentError(ValueError):
    """Raised when a text is not the JSON or TOML that is read here; the message is a phrase for a sentence."""


def read_json(path: Path, *, error: type[RsAdaptError] = UnreadableFile, remedy: str = "") -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        error: The class of the error to raise.
        remedy: A sentence for the end of the message that says what to do.

    Raises:
        FileNotFoundError: There is no such file.
        RsAdaptError: Of class `error`: the file cannot be read; names file and reason.
    """
    try:
        return parse_json(read_bytes(path))
    except (DocumentError, OSError) as failure:
        raise _unreadable(path, failure, error, remedy) from failure


def read_toml(path: Path, *, error: type[RsAdaptError] = UnreadableFile, remedy: str = "") -> dict[str, Any]:
    """Return the content of a TOML file; arguments and errors are those of `read_json`."""
    try:
        return parse_toml(read_bytes(path))
    except (DocumentError, OSError) as failure:
        raise _unreadable(path, failure, error, remedy) from failure


def write_sealed(path: Path, content: object) -> None:
    """Write JSON with the SHA-256 of its content, for files of the project's own that `read_sealed` reads."""
    text = json.dumps(content, allow_nan=False)
    write_text(path, f'{{"sha256": "{hashlib.sha256(text.encode()).hexdigest()}", "content": {text}}}\n')


def read_sealed(path: Path) -> Any:
    """Return the content of a file of `write_sealed`.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableFile: It is damaged, even in a single digit, or has no hash.
    """
    sealed = read_json(path)
    if not isinstance(sealed, dict) or sealed.keys() != {"sha256", "content"}:
        raise UnreadableFile(f"{path} holds no content with its hash.")
    if hashlib.sha256(json.dumps(sealed["content"]).encode()).hexdigest() != sealed["sha256"]:
        raise UnreadableFile(f"{path} is damaged: its content has a different SHA-256.")
    return sealed["content"]


def read_bytes(path: Path, *, most: int = limits.RECORD_BYTES) -> bytes:
    """Return the bytes of a file, of which there may be `most`.

    Raises:
        FileNotFoundError: There is no such file, also where its folder is a file.
        OSError: It cannot be read, or is larger.
    """
    try:
        require_regular(path)
        size = path.stat().st_size
        if size > most:
            raise OSError(errno.EFBIG, f"it has {size} bytes, and {most} are allowed", str(path))
        return path.read_bytes()
    except NotADirectoryError as failure:
        raise FileNotFoundError(*failure.args) from failure


def parse_json(text: str | bytes, *, allow_nan: bool = False) -> Any:
    """Return the content of a JSON text.

    Args:
        text: The text, or its bytes in UTF-8.
        allow_nan: Also read NaN and infinite numbers, which other programs write.

    Raises:
        DocumentError: It is refused; see the top of the module.
    """
    text = _decode(text)
    try:
        content = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=float if allow_nan else _refuse_constant,
            parse_float=float if allow_nan else _parse_float,
            parse_int=_parse_int,
        )
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
    except json.JSONDecodeError as failure:
        raise DocumentError(f"it is no JSON, or cut off: {failure}") from failure
    _check_depth(content)
    if _SUSPECT.search(text):
        _check_texts(content)
    return content


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Return the content of a TOML text; the text and the error are as of `parse_json`."""
    # Editors of Windows put a byte order mark before the text, and end lines with two characters.
    text = _decode(text).removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        content = tomllib.loads(text, parse_float=_parse_float)
    except RecursionError:
        raise DocumentError("it is nested too deeply") from None
    except tomllib.TOMLDecodeError as failure:
        raise DocumentError(f"it is no TOML: {failure}") from failure
    except ValueError as failure:
        # Python refuses to convert whole numbers of thousands of digits.
        raise DocumentError(failure if isinstance(failure, DocumentError) else "a number in it is too long") from None
    _check_depth(content)
    _check_numbers(content)
    return content


def _decode(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise DocumentError(
            f"it is not a text in UTF-8: byte {failure.start + 1} is {text[failure.start]:#04x}"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DocumentError(f"the key {twice!r:.80} stands twice in a table")
    return content


def _refuse_constant(text: str) -> float:
    raise DocumentError(f"{text} is no number of JSON")


def _parse_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise DocumentError(f"the number {text:.40} is not finite")
    return number


def _parse_int(text: str) -> int:
    if len(text) > _MAX_DIGITS or not -_MAX_INT <= int(text) < _MAX_INT:
        raise DocumentError(f"the number {text:.40} is beyond 64 bits")
    return int(text)


def _check_depth(content: Any) -> None:
    """Refuse nesting beyond `MAX_DEPTH`."""
    level: list[Any] = [content]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _within(value)]
        if not level:
            return
    raise DocumentError(f"it is nested more than {MAX_DEPTH} levels deep")


def _check_numbers(content: Any) -> None:
    """Refuse whole numbers beyond 64 bits, which the parser of TOML lets pass."""
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, int) and not -_MAX_INT <= value < _MAX_INT:
            raise DocumentError(f"the number {str(value)[:40]} is beyond 64 bits")
        stack += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _within(value: Any) -> Iterable[Any]:
    """Return the tables and lists directly within a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inner if isinstance(one, dict | list)]


def _check_texts(content: Any) -> None:
    """Refuse texts that hold NUL, or half of a character."""
    stack = [content]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= char <= "\udfff" for char in value)):
            raise DocumentError(f"the text {value!r:.80} holds NUL or half of a character")


def _unreadable(
    path: Path, failure: DocumentError | OSError, error: type[RsAdaptError], remedy: str
) -> RsAdaptError | FileNotFoundError:
    if isinstance(failure, FileNotFoundError):
        return failure
    reason = failure if isinstance(failure, DocumentError) else failure.strerror or str(failure)
    return error(f"{path} cannot be read: {reason}.{f' {remedy}' if remedy else ''}")
