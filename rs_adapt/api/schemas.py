"""JSON schemas of the files that rs-adapt writes, and of those that people write for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rs_adapt.config.names import normalize, unknown_name_message
from rs_adapt.errors import UnknownName

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, kw_only=True)
class FileSchema:
    """The schema of one kind of file.

    Attributes:
        file: Name of the file, or what it is.
        content: What it holds, in one sentence.
        record: The type of its content, for pydantic.
    """

    file: str
    content: str
    record: Any


def file_schemas() -> dict[str, FileSchema]:
    """Return the schemas by name."""
    from rs_adapt.config.own.bench_file import BenchFile
    from rs_adapt.datasets.own.contents import CONTENTS_FILE, Contents
    from rs_adapt.runs import files, records
    from rs_adapt.sweeps.spec import SweepFile

    return {
        "bench": FileSchema(file="NAME.toml", content="a bench of your own (--bench NAME.toml)", record=BenchFile),
        "sweep": FileSchema(file="NAME.toml", content="a sweep (rs-adapt sweep NAME.toml)", record=SweepFile),
        "contents": FileSchema(
            file=CONTENTS_FILE, content="what is in the tiles of your own scenes, beside them", record=Contents
        ),
        "cell": FileSchema(file=files.CELL_FILE, content="how a run was started", record=records.RunStart),
        "data": FileSchema(
            file=files.DATA_FILE, content="digests of the tiles that a run was started with", record=records.DataRecord
        ),
        "metrics": FileSchema(
            file=files.METRICS_FILE, content="a line: losses, or scores of an evaluation", record=records.MetricsLine
        ),
        "result": FileSchema(
            file=files.RESULT_FILE, content="scores of a finished run, or of rs-adapt eval", record=records.Result
        ),
        "hashes": FileSchema(
            file=files.HASHES_FILE, content="SHA-256 of the files of a finished run", record=records.HashesRecord
        ),
        "bundle": FileSchema(
            file="bundle.json", content="what is in a bundle of rs-adapt share", record=records.BundleRecord
        ),
        "manifest": FileSchema(
            file=files.MANIFEST_FILE, content="what an adapter pack fits onto", record=records.Manifest
        ),
        "inspect": FileSchema(
            file=files.INSPECTION_FILE,
            content="what rs-adapt inspect measured on an image",
            record=records.InspectionRecord,
        ),
        "judge": FileSchema(file="judge.json", content="what rs-adapt judge found", record=records.JudgementRecord),
        "cost": FileSchema(
            file=files.COST_FILE, content="costs of methods, measured by rs-adapt cost", record=records.CostRecord
        ),
        "sweep-cell": FileSchema(
            file=files.SWEEP_CELL_FILE, content="state of a cell of a sweep", record=records.SweepCellRecord
        ),
        "sweep-plan": FileSchema(
            file=files.SWEEP_PLAN_FILE, content="the cells that a sweep plans", record=records.SweepPlan
        ),
        "tuning": FileSchema(
            file=files.TUNING_FILE, content="the settings that rs-adapt sweep --tune chose", record=records.TuningRecord
        ),
    }


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a kind of file.

    Raises:
        UnknownName: There is no schema of that name.
    """
    from pydantic import TypeAdapter

    schemas, wanted = file_schemas(), normalize(name).replace("_", "-")
    if wanted not in schemas:
        raise UnknownName(unknown_name_message("schema", name, tuple(schemas)))
    adapter: TypeAdapter[Any] = TypeAdapter(schemas[wanted].record)
    return {"$schema": _DIALECT, **adapter.json_schema(), "title": wanted}
