"""What is said of a file that pydantic refuses: file, place, value, what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rs_adapt.errors import ConfigError, ScoresError
from rs_adapt.validation import parse_as


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    labels: str
    values: Sequence[int] = ()


class Whole(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)

    name: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    size_px: Annotated[int, Field(ge=16)] = 16
    share: float | None = None
    seed: int | Sequence[int] = 0
    kind: Literal["local", "slurm"] = "local"
    scores: Mapping[str, float | None] = {}
    parts: Sequence[Part] = ()
    bounds: Sequence[float] = (2.0, 98.0)

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, bounds: Sequence[float]) -> Sequence[float]:
        if list(bounds) != sorted(bounds):
            raise ValueError("it must be numbers, smallest first")
        return bounds

    @model_validator(mode="after")
    def _fits(self) -> Whole:
        if self.name == "local" and self.kind == "slurm":
            raise ValueError("name and kind contradict each other")
        return self


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"name": 3}, "f.toml: name is 3; it must be a text."),
        ({"name": "A"}, "f.toml: name is 'A'; it must be a text of the form ^[a-z]+$."),
        ({"size_px": 8}, "f.toml: size_px is 8; it must be 16 or larger."),
        ({"size_px": True}, "f.toml: size_px is True; it must be a whole number."),
        ({"size_px": 2.5}, "f.toml: size_px is 2.5; it must be a whole number."),
        ({"share": "x"}, "f.toml: share is 'x'; it must be a number."),
        ({"share": float("nan")}, "f.toml: share is nan; it must be a finite number."),
        ({"seed": "x"}, "f.toml: seed is 'x'; it must be a whole number or a list."),
        ({"seed": [1, "x"]}, "f.toml: seed is [1, 'x']; it must be a whole number."),
        ({"kind": "ray"}, "f.toml: kind is 'ray'; allowed are 'local' or 'slurm'."),
        ({"scores": {"road": "x"}}, "f.toml: scores.road is 'x'; it must be a number."),
        ({"scores": []}, "f.toml: scores is []; it must be a table."),
        ({"parts": [{"labels": "a"}, {}]}, "f.toml: parts 2.labels is missing."),
        ({"parts": [{"labels": "a", "values": ["x"]}]}, "f.toml: parts 1.values 1 is 'x'; it must be a whole number."),
        ({"bounds": [3, 1]}, "f.toml: bounds is [3, 1]; it must be numbers, smallest first."),
        ({"name": "local", "kind": "slurm"}, "f.toml: name and kind contradict each other."),
        (
            {"parts": [{"labls": "a"}]},
            "f.toml: there is no key parts 1.labls. Did you mean labels? Known: labels, values.",
        ),
        (
            {"parts": [{"labels": "a", "valus": []}]},
            "f.toml: there is no key parts 1.valus. Did you mean values? Known: labels, values.",
        ),
        ([1], "f.toml: it holds [1]; it must be a table."),
    ],
)
def test_sentence_names_file_key_value_and_allowed_values(content: Any, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_as(Whole, content, file="f.toml")
    assert str(caught.value) == sentence


def test_unknown_key_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"f: there is no key sizepx\. Did you mean size_px\? Known: name, size_px"):
        parse_as(Whole, {"sizepx": 3}, file="f")


def test_class_of_the_error_and_remedy_are_the_callers() -> None:
    with pytest.raises(ScoresError, match=r"name is 3; it must be a text\. Score again\.$"):
        parse_as(Whole, {"name": 3}, file="f", error=ScoresError, remedy="Score again.")


def test_long_values_are_cut() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_as(Whole, {"name": [0] * 1000}, file="f")
    assert len(str(caught.value)) < 150
