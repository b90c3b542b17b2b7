"""`hashes.json`: what binds the files of a finished run to each other."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from rs_adapt.runs.records.record import FORMAT, FormatNumber, Record


class HashesRecord(Record):
    """`hashes.json`: written when a run is finished; `rs-adapt verify RUN` compares it with the files.

    Whoever edits a file on purpose can write its new hash too: hashes find accidents and files of a different run.
    """

    format: FormatNumber = FORMAT
    files: Mapping[str, str] = Field(description="SHA-256 in hexadecimal by path, relative to the run folder.")
