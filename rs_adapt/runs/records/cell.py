"""`cell.json`: what was started, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, JsonValue

from rs_adapt.runs.records.data import DataFacts
from rs_adapt.runs.records.record import FORMAT, AnyRecord, FormatNumber, Record


class CellNames(Record):
    """Which experiment: a name on every axis, and the seed."""

    bench: str = Field(description="Bench: a name of configs/bench, or the path of a TOML file.")
    setting: str = Field(description="da, dg, ss or ov.")
    method: str = Field(description="How the backbone is tuned.")
    backbone: str = Field(description="The foundation model.")
    head: str = Field(description="The decode head.")
    strategy: str = Field(description="How source and target are used in training.")
    seed: int = Field(description="Seed of the head's weights, the order of samples and augmentation.")
    tuned: bool = Field(
        default=True,
        description="Whether values that the method's file tunes for this bench and setting were to be used, if it has "
        "any; `tuned` beside `cell` says which were.",
    )
    protocol: str = Field(default="strict", description="Name of the protocol.")


class TunedValues(Record):
    """The values tuned for one bench and setting that a run used."""

    values: Mapping[str, JsonValue] = Field(
        default={}, description="By setting of the adapter; empty where none was tuned for this bench and setting."
    )
    chosen: str | None = Field(
        default=None, description="How and on what they were chosen, in words; null without values."
    )


class RunOptions(Record):
    """What a run was started with besides its cell."""

    overrides: Sequence[str] = Field(default=(), description="key=value texts, in the order in which they apply.")
    data_root: str | None = Field(default=None, description="Folder of the data.")
    weights: str | None = Field(default=None, description="Base weights: a file, `random`, or null for the default.")
    device: str | None = Field(default=None, description="auto, cpu, cuda or cuda:N.")


class GitRevision(Record):
    """The source revision of rs-adapt."""

    commit: str | None = Field(default=None, description="40 hexadecimal digits.")
    dirty: bool = Field(default=False, description="Whether files differed from the commit.")


class Environment(Record):
    """Versions and machine."""

    rs_adapt: str | None = Field(default=None, description="Version of rs-adapt.")
    python: str | None = Field(default=None, description="Version of Python.")
    packages: Mapping[str, str] = Field(default={}, description="Version of each package that can change numbers.")
    device: str | None = Field(default=None, description="Name of the GPU, or `CPU, N threads`.")
    threads: int | None = Field(default=None, description="Threads of torch; null where unrecorded.")
    git: GitRevision | None = Field(default=None, description="Null for an installed package.")


class PluginFacts(Record):
    """A plugin that a run's method came from."""

    name: str = Field(description="Name of its file or folder, without the folders above; or of its entry point.")
    entry_point: str | None = Field(
        default=None, description="Module that an installed package offers; null for a path given by --plugins."
    )
    sha256: str = Field(description="SHA-256 over the names and contents of its files.")
    methods: Sequence[str] = Field(default=(), description="Methods of the run that it provides.")


def _line(cell: CellNames) -> str:
    names = (f"{Path(cell.bench).stem}_{cell.setting}", cell.method, cell.strategy)
    return " / ".join(name.replace("_", "-") for name in names) + f" / seed {cell.seed}"


class InitialisedFrom(Record):
    """The run whose weights a run started from (`--from`) instead of from new ones."""

    cell: CellNames = Field(description="Which experiment that run was.")
    iter: int = Field(description="Iterations that it had done at these weights.")
    iterations_before: int = Field(description="The same, with those of the runs that it started from in turn.")
    finished: bool = Field(description="Whether it was finished; false for the state of an interrupted run.")
    sha256: str = Field(description="SHA-256 of the file that the weights were read from.")
    pack_source: str | None = Field(
        default=None, description="Their pack on the Hugging Face Hub, hf:OWNER/NAME@COMMIT; missing for a local one."
    )
    earlier: Sequence[CellNames] = Field(
        default=(), description="The runs that it had started from or been taught by in turn; missing for none."
    )

    def note(self) -> str:
        """Return one sentence for the notes of a result."""
        state = "finished" if self.finished else "interrupted"
        return (
            f"Initialised from the weights of a {state} run ({_line(self.cell)}), which had trained "
            f"{self.iterations_before} iterations before; the iterations of this run come on top."
        )


class TeacherFacts(Record):
    """The run that a student learns from (`--teacher`); none of its weights is in the student's files."""

    cell: CellNames = Field(description="Which experiment that run was.")
    sha256: str = Field(description="SHA-256 of its adapter.safetensors.")
    base_sha256: str = Field(description="SHA-256 over the tensors of its base weights.")
    iter: int | None = Field(default=None, description="Iterations that it had done; null where unrecorded.")
    pack_source: str | None = Field(
        default=None, description="Its pack on the Hugging Face Hub, hf:OWNER/NAME@COMMIT; missing for a local one."
    )
    earlier: Sequence[CellNames] = Field(
        default=(), description="The runs that it had started from or been taught by in turn; missing for none."
    )

    def note(self) -> str:
        """Return one sentence for the notes of a result."""
        return (
            f"Distilled from a run ({_line(self.cell)}; SHA-256 {self.sha256[:16]}...), so what that run has seen, the "
            "student has learnt from too."
        )


class ResolverFacts(Record):
    """The model of super-resolution by which a run enlarges images (`bench.resolve`); the run holds a copy of it."""

    cell: CellNames = Field(description="Which experiment that run was.")
    sha256: str = Field(description="SHA-256 of its adapter.safetensors.")
    scale: int = Field(description="By how much it enlarges.")

    def note(self) -> str:
        """Return one sentence for the notes of a result."""
        return (
            f"Images are enlarged {self.scale} times by a model of super-resolution ({_line(self.cell)}; SHA-256 "
            f"{self.sha256[:16]}...)."
        )


class RunStart(Record):
    """`cell.json`: written when a run starts."""

    format: FormatNumber = FORMAT
    cell: CellNames = Field(description="Which experiment.")
    tuned: TunedValues | None = Field(default=None, description="Tuned values that it uses; null where unrecorded.")
    options: RunOptions = Field(default=RunOptions(), description="What it was started with.")
    command: str = Field(default="", description="The command line; empty for a run started from Python.")
    run_id: str | None = Field(default=None, description="By which loggers continue the run after --resume.")
    initialised_from: InitialisedFrom | None = Field(
        default=None, description="The run whose weights it started from; null or missing for new ones."
    )
    teacher: TeacherFacts | None = Field(
        default=None, description="The run that it learns from (--teacher); null or missing for none."
    )
    resolver: ResolverFacts | None = Field(
        default=None, description="The model by which it enlarges images (bench.resolve); null or missing for none."
    )
    processes: int = Field(default=1, description="Number of processes.")
    plugins: Sequence[PluginFacts] = Field(default=(), description="Plugins that the method came from.")
    environment: Environment = Field(default=Environment(), description="Versions and machine.")
    tiles: Mapping[str, int] = Field(default={}, description="Number of tiles of each loader.")
    data: Mapping[str, DataFacts] = Field(default={}, description="Fingerprints of the tiles by role.")
    notes: Sequence[str] = Field(default=(), description="Sentences that one has to know before trusting the scores.")


def with_origins(
    record: AnyRecord,
    *,
    initialised_from: InitialisedFrom | None = None,
    teacher: TeacherFacts | None = None,
    resolver: ResolverFacts | None = None,
) -> AnyRecord:
    """Return a record that states the other runs that a run uses; fields without one stay unset, as in older files.

    Args:
        record: The record.
        initialised_from: The run whose weights the training started from.
        teacher: The run that a student learnt from.
        resolver: The model that enlarges the images.
    """
    origins = {"initialised_from": initialised_from, "teacher": teacher, "resolver": resolver}
    return record.model_copy(update={name: origin for name, origin in origins.items() if origin is not None})
