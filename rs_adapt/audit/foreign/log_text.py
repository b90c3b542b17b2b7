"""The text of the configuration in a training log of mmengine or mmcv, and where a training's folder keeps its log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rs_adapt import limits
from rs_adapt.documents import DocumentError, parse_json, read_bytes
from rs_adapt.errors import ConfigError

# The console leaves the year out; mmcv's logs have milliseconds.
STAMPED = re.compile(r"^(\d{4}[/-])?\d\d[/-]\d\d \d\d:\d\d:\d\d(,\d+)? - [\w.-]+ - [A-Z]+ - ?")
_LAYOUTS = (("*.log", "*/*.log"), ("scalars.json", "vis_data/scalars.json", "*/vis_data/scalars.json"))
# Colours of a console, which a redirected one keeps.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# A line of JSON lines has one of these; the first may describe the environment.
_LOGGED = {"iter", "step", "epoch", "lr", "loss", "mode", "env_info", "mIoU", "miou_pct"}


def lines_of(text: str) -> list[str]:
    """Return the lines of a log as an editor counts them, without colours and without what a progress bar overwrote."""
    return [_COLOUR.sub("", line.removesuffix("\r").rpartition("\r")[2]) for line in text.split("\n")]


def dumps(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the configurations in a text log with their first lines, from 1; a resumed run prints one at each start."""
    for start, line in enumerate(lines):
        stamp = STAMPED.match(line)
        if not stamp or line[stamp.end() :].strip() != "Config:":
            continue
        end = start + 1
        # It has no empty line; what other programs print to a console may follow one.
        while end < len(lines) and lines[end].strip() and not STAMPED.match(lines[end]):
            end += 1
        yield start + 2, "\n".join(lines[start + 1 : end])


def looks_like_log(path: Path, text: str) -> bool:
    """Return whether a file is a log rather than a configuration."""
    return path.suffix != ".py" or bool(STAMPED.match(text))


def config_text(path: Path, text: str) -> tuple[Path, int, str, tuple[int, ...]]:
    """Return file, first line and text of the configuration that a log states last, and the first lines of others.

    Others are those that differ from it; a resumed training prints the same again. JSON lines have theirs in the
    `config.py` beside them.

    Raises:
        ConfigError: There is none.
    """
    beside = path.parent / "config.py"
    if _is_json_log(text) and beside.is_file():
        try:
            return beside, 1, read_bytes(beside, most=limits.CONFIG_BYTES).decode(), ()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{beside} cannot be read: {error}. Copy it again.") from error
    found = list(dumps(lines_of(text)))
    if not found:
        raise ConfigError(
            f"{path} holds no configuration: no line of a training log that ends in `Config:`. Name a configuration "
            "in Python (.py), a log of mmengine or mmcv, or the folder of one training."
        )
    first_line, last = found[-1]
    return path, first_line, last, other_dumps(found)


def other_dumps(found: list[tuple[int, str]]) -> tuple[int, ...]:
    """Return the first lines of configurations that differ from the last."""
    return tuple(line for line, dump in found if dump != found[-1][1])


def _is_json_log(text: str) -> bool:
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        content = parse_json(first, allow_nan=True)
    except DocumentError:
        return False
    return isinstance(content, dict) and bool(_LOGGED & content.keys())


def log_within(folder: Path) -> Path:
    """Return the log of a folder in mmengine's layout: `<stamp>/<stamp>.log`, `<stamp>/vis_data/scalars.json`.

    Raises:
        ConfigError: The folder holds no log, or several.
    """
    for patterns in _LAYOUTS:
        logs = _logs(folder, patterns)
        if len(logs) == 1:
            return logs[0]
        if logs:
            names = ", ".join(path.relative_to(folder).as_posix() for path in logs[:8])
            raise ConfigError(f"{folder} holds {len(logs)} logs: {names}. Name one of them.")
    named = next(iter(sorted(path.name for path in folder.glob("*.py"))), "")
    configs = f" It holds configurations: name one of them, such as {folder / named}." if named else ""
    raise ConfigError(
        f"{folder} holds neither a run of rs-adapt nor a log of mmengine or mmcv (*.log, vis_data/scalars.json)."
        f"{configs}"
    )


def holds_logs(folder: Path) -> bool:
    """Return whether a folder holds a log in one of the places of `log_within`."""
    return any(_logs(folder, patterns) for patterns in _LAYOUTS)


def _logs(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
