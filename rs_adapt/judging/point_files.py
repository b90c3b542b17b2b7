"""Files of points to label: CSV or GeoPackage, and the design of the sample beside them."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from rs_adapt.documents import read_bytes
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.files import write_bytes, write_text
from rs_adapt.judging.sample import Sample, SamplePoint
from rs_adapt.remote_drivers import quiet_fiona
from rs_adapt.runs.records import Record, read_record

SampleFormat = Literal["csv", "gpkg"]
SAMPLE_FILE = "sample.json"
_LABEL = "label"
_LAYER = "points"
_MOST_NAMED = 5


class PointRecord(Record):
    """A point, without its label."""

    id: int
    stratum: Literal["same", "differ"]
    image: str
    column: int
    row: int
    run: int
    against: int


class SampleRecord(Record):
    """`sample.json`: how the points were drawn, and what both models predict at each of them."""

    format: int = 1
    run_sha256: str = Field(description="SHA-256 of the tensors of RUN.")
    against_sha256: str = Field(description="SHA-256 of the tensors of AGAINST.")
    classes: Sequence[str] = Field(description="Names of the classes, which the labels have to use.")
    seed: int = Field(description="Seed of the draw.")
    pixels: Mapping[str, int] = Field(description="Pixels of the images by stratum.")
    points: Sequence[PointRecord] = Field(description="The points.")

    def sample(self) -> Sample:
        """Return the points as they were drawn."""
        return Sample(
            points=tuple(SamplePoint(**point.model_dump()) for point in self.points),
            pixels=dict(self.pixels),
            seed=self.seed,
        )


def points_file(folder: Path, form: SampleFormat) -> Path:
    """Return the file of points in a folder."""
    return folder / f"points.{form}"


def write_sample(
    folder: Path,
    sample: Sample,
    *,
    classes: Sequence[str],
    models: tuple[str, str],
    form: SampleFormat,
    show_predictions: bool,
) -> Path:
    """Write the points with an empty column for the labels, and `sample.json` beside them.

    Args:
        folder: An existing folder.
        sample: The points.
        classes: Names of the classes.
        models: SHA-256 of the tensors of RUN and of AGAINST.
        form: "csv", or "gpkg" for a GeoPackage, which needs images with a place on the map.
        show_predictions: Also write the classes of both models into the file. Whoever sees them labels after them.

    Raises:
        ConfigError: A GeoPackage cannot be written of these points.
    """
    record = SampleRecord(
        run_sha256=models[0],
        against_sha256=models[1],
        classes=list(classes),
        seed=sample.seed,
        pixels=sample.pixels,
        points=[
            PointRecord(
                id=point.id,
                stratum="differ" if point.stratum == "differ" else "same",
                image=point.image,
                column=point.column,
                row=point.row,
                run=point.run,
                against=point.against,
            )
            for point in sample.points
        ],
    )
    rows = [_row(point, classes, show_predictions=show_predictions) for point in sample.points]
    path = points_file(folder, form)
    if form == "gpkg":
        _write_geopackage(path, sample, rows)
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(path, text.getvalue())
    write_text(folder / SAMPLE_FILE, json.dumps(record.model_dump(mode="json"), indent=1) + "\n")
    return path


def check_geopackage(places: set[str]) -> None:
    """Refuse a GeoPackage of points without a place, or with several coordinate systems.

    Args:
        places: Coordinate systems of the images; "" for an image without a place.

    Raises:
        ConfigError: It cannot be written, or fiona is not installed.
    """
    if places != {""} and len(places) == 1:
        if find_spec("fiona") is None:
            raise ConfigError("A GeoPackage is written with fiona: pip install 'rs-adapt[vector]', or take csv.")
        return
    reason = "have no place on the map" if "" in places else f"lie in {len(places)} coordinate systems"
    raise ConfigError(f"--sample-format is gpkg, but the images {reason}. Take csv, which states the system by point.")


def read_answers(file: Path, *, models: tuple[str, str]) -> tuple[Sample, dict[int, int]]:
    """Read labelled points.

    Args:
        file: The CSV file or GeoPackage, with `sample.json` beside it.
        models: SHA-256 of the tensors of RUN and of AGAINST, for which the points must have been drawn.

    Returns:
        The sample, and the class of each point by its number.

    Raises:
        DataNotFound: The file, or `sample.json` beside it, is missing.
        DataError: A point has no label, a label is no class, or the points are not those that were drawn.
    """
    if not file.is_file():
        raise DataNotFound(f"There is no file {file}. Name the labelled points, which judge --sample wrote.")
    record = read_record(file.parent / SAMPLE_FILE, SampleRecord, error=DataError, remedy="Draw the points again.")
    if record is None:
        raise DataNotFound(
            f"{file.parent / SAMPLE_FILE} is missing: it says how the points were drawn. Put it beside {file.name}."
        )
    if (record.run_sha256, record.against_sha256) != models:
        raise DataError(
            f"The points in {file} were drawn for two other models. Name RUN and --against as they were drawn for, in "
            "the same order."
        )
    sample = record.sample()
    return sample, _labels(file, sample, record.classes)


def _labels(file: Path, sample: Sample, classes: Sequence[str]) -> dict[int, int]:
    index = {name.casefold(): number for number, name in enumerate(classes)}
    expected, labels = {point.id for point in sample.points}, dict[int, int]()
    missing, unknown = [], dict[str, int]()
    for identifier, text in _read_rows(file):
        if identifier not in expected or identifier in labels:
            reason = "occurs twice" if identifier in labels else "was not drawn"
            raise DataError(f"{file}: the point {identifier} {reason}. Label the points as they were written.")
        if not text:
            missing.append(identifier)
        elif text.casefold() not in index:
            unknown.setdefault(text, identifier)
        labels[identifier] = index.get(text.casefold(), -1)
    missing += sorted(expected - labels.keys())
    if missing:
        raise DataError(
            f"{file}: {len(missing)} of {len(expected)} points have no label, such as {_listed(missing)}. Label all of "
            "them: leaving out those that are hard to tell would make both maps look better than they are."
        )
    if unknown:
        texts = ", ".join(f"{text!r} (point {number})" for text, number in list(unknown.items())[:_MOST_NAMED])
        raise DataError(f"{file}: {texts} is no class. Allowed: {', '.join(classes)}.")
    return labels


def _read_rows(file: Path) -> Iterator[tuple[int, str]]:
    for number, row in enumerate(_read_table(file), start=1):
        if "id" not in row or _LABEL not in row:
            raise DataError(f"{file} has no column {'id' if 'id' not in row else _LABEL}. Keep the columns as written.")
        try:
            identifier = int(str(row["id"]).strip())
        except ValueError:
            raise DataError(f"{file}: the id {row['id']!r} of point {number} is no whole number.") from None
        yield identifier, str(row[_LABEL] or "").strip()


def _read_table(file: Path) -> list[dict[str, Any]]:
    if file.suffix.lower() == ".gpkg":
        quiet_fiona()
        try:
            import fiona
        except ImportError:
            raise DataNotFound(
                "A GeoPackage is read with fiona: pip install 'rs-adapt[vector]', or save the points as CSV."
            ) from None
        try:
            with fiona.open(file, enabled_drivers=["GPKG"]) as layer:
                return [dict(feature["properties"]) for feature in layer]
        except (fiona.errors.FionaError, ValueError) as error:
            raise DataError(f"{file} cannot be read as a GeoPackage: {error}.") from error
    try:
        text = read_bytes(file).decode("utf-8-sig")
        # Spreadsheets of many countries write semicolons.
        separator = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
        return list(csv.DictReader(io.StringIO(text), delimiter=separator))
    except (UnicodeDecodeError, OSError, csv.Error) as error:
        raise DataError(f"{file} cannot be read as CSV in UTF-8: {error}.") from error


def _row(point: SamplePoint, classes: Sequence[str], *, show_predictions: bool) -> dict[str, object]:
    x, y = point.xy
    shown = {"run": classes[point.run], "against": classes[point.against]} if show_predictions else {}
    return {
        "id": point.id,
        "image": point.image,
        "column": point.column,
        "row": point.row,
        # Nine decimals are 0.1 mm in degrees.
        "x": round(x, 9),
        "y": round(y, 9),
        "crs": "" if point.place is None else point.place.name,
        **shown,
        _LABEL: "",
    }


def _write_geopackage(path: Path, sample: Sample, rows: Sequence[Mapping[str, object]]) -> None:
    quiet_fiona()
    import fiona

    crs = sample.points[0].place.crs if sample.points[0].place else ""
    kinds = {"id": "int", "column": "int", "row": "int", "x": "float", "y": "float"}
    schema = {"geometry": "Point", "properties": {name: kinds.get(name, "str") for name in rows[0]}}
    options: dict[str, Any] = {"driver": "GPKG", "layer": _LAYER, "schema": schema, "crs_wkt": crs}
    # GDAL writes a database with files beside it, and only into a new file with this ending.
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / path.name
        with fiona.open(staged, "w", **options) as layer:
            layer.writerecords(
                {"geometry": {"type": "Point", "coordinates": point.xy}, "properties": dict(row)}
                for point, row in zip(sample.points, rows, strict=True)
            )
        write_bytes(path, staged.read_bytes())


def _listed(numbers: Sequence[int]) -> str:
    more = " and others" if len(numbers) > _MOST_NAMED else ""
    return ", ".join(map(str, numbers[:_MOST_NAMED])) + more
