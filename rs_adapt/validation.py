"""One plain sentence for what pydantic found wrong with a file. Loads pydantic only when it is called."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from rs_adapt.errors import ConfigError, RsAdaptError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound="BaseModel")

# What each kind of value is called, by the start of pydantic's error type.
_KINDS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "list": "a list",
    "tuple": "a list",
    "sequence": "a list",
    "iterable": "a list",
    "dict": "a table",
    "mapping": "a table",
    "model": "a table",
    "dataclass": "a table",
    "none": "null",
    "path": "a path",
}
# pydantic adds the member of a union, or what wraps a type, to the place of an error.
_NO_KEY = re.compile(
    r"(str|int|float|bool|none|bytes|any|dict|list|tuple|nullable|is-instance|json-or-python)"
    r"|(constrained-|function-|literal|list|tuple|dict|nullable|lax-or-strict|json-or-python|mapping|sequence)[\[-].*"
)
_MUST = "it must be "
_LONGEST_VALUE = 80


def parse_as(
    model: type[Model], content: object, *, file: str, error: type[RsAdaptError] = ConfigError, remedy: str = ""
) -> Model:
    """Return the content of a file as a record.

    Args:
        model: The pydantic class of the record.
        content: What the file holds, as read from JSON or TOML.
        file: Its path, for the message.
        error: The class of the error to raise.
        remedy: A sentence for the end of the message that says what to do.

    Raises:
        RsAdaptError: Of class `error`: a key is missing or unknown, or a value is not allowed; see `explain`.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(content)
    except ValidationError as failure:
        raise error(" ".join(filter(None, (explain(failure, file=file, model=model), remedy)))) from failure


def explain(error: ValidationError, *, file: str, model: type[BaseModel] | None = None) -> str:
    """Return one sentence about the first thing that is wrong: file, place, what was found, what is allowed.

    A validator of a record raises `ValueError("it must be 3 numbers, smallest first")`; the sentence then names file,
    place and value before it. A validator of a whole record raises a sentence of its own without the full stop.

    Args:
        error: What pydantic raised.
        file: The file's path, or its name where the folder is named elsewhere.
        model: The record's class; lists the keys that are known where one is not.
    """
    details = error.errors(include_url=False)
    # A misspelt key explains why another key is missing.
    first = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
    place = _place(first)
    kind, value = first["type"], first["input"]
    if kind == "extra_forbidden":
        return _unknown_key(first, file, model)
    same = [detail for detail in details if _place(detail) == place]
    allowed = " or ".join(dict.fromkeys(map(_allowed, same))).replace(f" or {_MUST}", " or ")
    if kind == "missing":
        meaning = _description(model, first["loc"])
        return f"{file}: {place} is missing{f': {meaning[:1].lower()}{meaning[1:]}' if meaning else ''}."
    if not place:
        whole = f"it holds {_short(value)}; {allowed}" if kind != "value_error" else allowed
        return f"{file}: {whole}."
    if kind == "value_error" and isinstance(value, dict):
        return f"{file}: {place}: {allowed}."
    return f"{file}: {place} is {_short(value)}; {allowed}."


def _unknown_key(detail: ErrorDetails, file: str, model: type[BaseModel] | None) -> str:
    keys = [part for part in detail["loc"] if not _is_tag(part)]
    known = _known_keys(model, keys[:-1])
    if not known:
        return f"{file}: there is no key {_place(detail)}."
    near = difflib.get_close_matches(str(keys[-1]), known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{file}: there is no key {_place(detail)}.{hint} Known: {', '.join(known)}."


def _known_keys(model: type[BaseModel] | None, place: list[Any]) -> list[str]:
    """Return the keys of the record at a place below `model`; empty where it is not known."""
    record = _record_at(model, place)
    return [] if record is None else [field.alias or name for name, field in record.model_fields.items()]


def _record_at(model: type[BaseModel] | None, place: list[Any]) -> type[BaseModel] | None:
    for part in place:
        if model is None or isinstance(part, int):
            continue
        named = {field.alias or name: field for name, field in model.model_fields.items()}
        model = _record_in(named[part].annotation) if part in named else None
    return model


def _description(model: type[BaseModel] | None, place: tuple[int | str, ...]) -> str:
    """Return the description of a field of a record, without the full stop; empty where nothing describes it."""
    keys = [part for part in place if not _is_tag(part)]
    record = _record_at(model, keys[:-1])
    fields = {} if record is None else {field.alias or name: field for name, field in record.model_fields.items()}
    field = fields.get(str(keys[-1]))
    return (field.description or "").rstrip(".") if field is not None else ""


def _record_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first record class in a type such as `Sequence[Domain] | None`."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((record for part in get_args(annotation) if (record := _record_in(part)) is not None), None)


def _place(detail: ErrorDetails) -> str:
    """Return the dotted name of a value in its file; entries of a list are counted from 1."""
    text = ""
    for part in detail["loc"]:
        if isinstance(part, int):
            text += f" {part + 1}"
        elif not _is_tag(part):
            text += f".{part}" if text else part
    return text


def _is_tag(part: int | str) -> bool:
    return isinstance(part, str) and _NO_KEY.fullmatch(part) is not None


def _allowed(detail: ErrorDetails) -> str:
    kind, limits = detail["type"], detail.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        return str(limits.get("error", detail["msg"])).rstrip(".")
    ranges = {
        "greater_than_equal": "{ge} or larger",
        "greater_than": "above {gt}",
        "less_than_equal": "{le} or smaller",
        "less_than": "below {lt}",
        "string_too_short": "a text of at least {min_length} characters",
        "too_short": "a list of at least {min_length} values",
        "too_long": "a list of at most {max_length} values",
        "literal_error": "{expected}",
        "enum": "{expected}",
        "string_pattern_mismatch": "a text of the form {pattern}",
    }
    if kind in ranges:
        what = ranges[kind].format(**limits)
        return f"allowed are {what}" if " or " in what and kind in ("literal_error", "enum") else f"{_MUST}{what}"
    kinds = (what for start, what in _KINDS.items() if kind.startswith(start))
    return f"{_MUST}{what}" if (what := next(kinds, "")) else detail["msg"][:1].lower() + detail["msg"][1:]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
