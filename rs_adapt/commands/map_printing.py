"""Maps that `rs-adapt predict` has made, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rs_adapt.commands.console import group_digits, print_json, result_console, say, shorten_path
from rs_adapt.errors import RunFailed

if TYPE_CHECKING:
    from rs_adapt.prediction.predict import MapRecord
    from rs_adapt.prediction.scoring import MapScores


def print_maps(records: Sequence[MapRecord], *, as_json: bool) -> None:
    """Print the files of maps, and their scores if there are any.

    Raises:
        RunFailed: No map was written.
    """
    if as_json:
        print_json([_content(record) for record in records])
    else:
        for record in records:
            _print_map(record)
        if scores := [record.scores for record in records if record.scores is not None]:
            _print_scores(scores)
    if not any(record.files for record in records):
        raise RunFailed("No map was written, because no scene can be read.")


def _content(record: MapRecord) -> dict[str, object]:
    return {
        "scene": str(record.scene),
        "files": [str(file) for file in record.files],
        "width_px": record.width_px,
        "height_px": record.height_px,
        "tiles": record.num_tiles,
        "seconds": round(record.seconds, 2),
        "remarks": list(record.remarks),
        "unreadable": [list(box) for box in record.unreadable],
        **({} if record.scores is None else {"scores": record.scores.content()}),
    }


def _print_map(record: MapRecord) -> None:
    if record.files:
        mpx = record.width_px * record.height_px / 1e6
        size = f"{record.width_px} x {record.height_px} px, {record.num_tiles} tiles"
        say(f"{shorten_path(record.files[0])}: {size}, {mpx / record.seconds:.2f} Mpx/s")
    else:
        say(f"{shorten_path(record.scene)}: no map.")
    for file in record.files[1:]:
        say(f"{shorten_path(file)}")
    for remark in record.remarks:
        say(f"  Note: {remark}")


def _print_scores(scores: Sequence[MapScores]) -> None:
    """Print IoU and accuracy by class over all maps, as `eval` does, and over which classes the mean is."""
    from rs_adapt.prediction.scoring import pool_scores
    from rs_adapt.reports.result_tables import result_table

    pooled, console = pool_scores(scores), result_console()
    maps = "" if len(scores) == 1 else f" of {len(scores)} maps"
    console.print(result_table(pooled))
    score = f"{pooled.score_title} over {pooled.classes_line}"
    say(f"Scored on {group_digits(pooled.pixels)} labelled pixels{maps}; {score}.")
