"""What all records have in common: frozen, checked, with a format number; and how one is read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rs_adapt.config.class_means import mean_name
from rs_adapt.documents import read_json
from rs_adapt.errors import RsAdaptError, UnreadableFile
from rs_adapt.files import write_text
from rs_adapt.path_names import relative_fault
from rs_adapt.validation import parse_as

# The layout of the files. Version 0.1.0 wrote the same layout without a number, so a file without one is of format 1.
FORMAT = 1

FormatNumber = Annotated[int, Field(description="Layout of the file; 1 where it is missing.")]
Percent = Annotated[float | None, Field(description="Percent, 0 to 100; null where there is no value.")]
Decibels = Annotated[float | None, Field(description="Decibels; null where there is no value.")]
PercentByClass = Annotated[
    dict[str, float | None],
    Field(description="Percent, 0 to 100, by class in index order; null for a class that has no value."),
]


def _check_path(text: str) -> str:
    if fault := relative_fault(text):
        raise ValueError(f"it must be a path inside its folder, and this one {fault}")
    return text


# A file or folder beside or below the file that names it.
PathBelow = Annotated[str, AfterValidator(_check_path)]


class Record(BaseModel):
    """The content of a JSON file, or of a table in it.

    Unknown keys are kept. A value is not converted: a number in quotes is refused where a number is asked for.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow", allow_inf_nan=False)

    def content(self) -> dict[str, Any]:
        """Return the record as JSON holds it: keys in the order of the fields, those that were not given left out."""
        return self.model_dump(mode="json", exclude_unset=True)


# The scores that a run is judged by, with their names for people; a record has the first of them that it states.
SCORES = {"miou_pct": "mIoU", "harmonic_mean_pct": "harmonic mean", "accuracy_pct": "accuracy", "psnr_db": "PSNR"}
# Units of scores that are not in percent.
_UNITS = {"psnr_db": "dB"}
# The accuracies behind a harmonic mean.
SIDES = ("base_pct", "novel_pct")


def unit_of(score_key: str) -> str:
    """Return the unit of a score by the name of its field."""
    return _UNITS.get(score_key, "%")


class Scored(Record):
    """What a record with the score of its task has beside its fields.

    The score is the mIoU of segmentation; the accuracy of classification, or, from base classes to novel ones, the
    harmonic mean of both accuracies. The fields stand in each record, which decides their place in its file.
    """

    @property
    def score_key(self) -> str:
        """The name of the field with the score; that of segmentation where nothing is stated."""
        return next((key for key in SCORES if key in self.model_fields_set), "miou_pct")

    @property
    def score_pct(self) -> float | None:
        """The score, in percent or, of PSNR, in decibels; None where there is none."""
        value: float | None = getattr(self, self.score_key)
        return value

    @property
    def score_unit(self) -> str:
        """The unit of the score."""
        return unit_of(self.score_key)

    @property
    def score_title(self) -> str:
        """The name of the score for people."""
        if self.score_key == "miou_pct":
            return mean_name(getattr(getattr(self, "protocol", None), "classes", None))
        return SCORES[self.score_key]


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(
    path: Path,
    record: type[AnyRecord],
    *,
    error: type[RsAdaptError] = UnreadableFile,
    remedy: str = "",
) -> AnyRecord | None:
    """Read a JSON file as a record.

    Args:
        path: The file.
        record: The class of the record.
        error: The class of the error to raise.
        remedy: A sentence that says what to do, for the end of the message.

    Returns:
        None where there is no such file.

    Raises:
        RsAdaptError: Of class `error`: the file is damaged, or of a newer format.
    """
    try:
        content = read_json(path, error=error, remedy=remedy)
    except FileNotFoundError:
        return None
    number = content.get("format", FORMAT) if isinstance(content, dict) else FORMAT
    if isinstance(number, int) and number > FORMAT:
        raise error(f"{path} has format {number}, this version reads format {FORMAT}. Update rs-adapt.")
    return parse_as(record, content, file=str(path), error=error, remedy=remedy)


def write_record(path: Path, record: Record) -> None:
    """Write the record of a file as JSON with its format number, complete or not at all."""
    write_text(path, record_text(record))


def record_text(record: Record) -> str:
    """Return the text of a file that `write_record` writes."""
    return json.dumps({"format": FORMAT} | record.content(), indent=2, allow_nan=False) + "\n"
