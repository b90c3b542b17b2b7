"""Patterns of file names with wildcards, and names that repeat what the wildcards stand for."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from rs_adapt import limits
from rs_adapt.errors import DataError

# Any folders, any text, one character, one of several characters.
_WILDCARD = re.compile(r"\*\*/|\*+|\?|\[!?\]?[^\]]*\]")


class Pattern:
    """A pattern of paths below a folder: `*` stands for any text without `/`, `**/` for any folders, none as well.

    `?` is one character and `[abc]` one of those listed. Upper and lower case differ, except in the ending.

    Args:
        text: The pattern, such as `area_*.tif` or `**/*_sat.jpg`.

    Raises:
        DataError: It is too long, has too many `*`, or lists characters in a way that means nothing.
    """

    def __init__(self, text: str) -> None:
        text = text.replace("\\", "/").removeprefix("./")
        self.text = text + "/*" if text.endswith("/**") or text == "**" else text
        self.is_nested = "/" in self.text
        if len(text) > limits.PATH_CHARS or len(re.findall(r"\*+", text)) > limits.PATTERN_STARS:
            raise DataError(
                f"The pattern {text[:100]!r} has {len(text)} characters and {text.count('*')} times *; "
                f"{limits.PATH_CHARS} characters and {limits.PATTERN_STARS} of * are allowed. Write a shorter one."
            )
        try:
            self._regex = re.compile("".join(_regex_parts(self.text)))
        except re.error as error:
            raise DataError(f"The pattern {text!r} cannot be read ({error}): write [abc] or [a-c].") from error

    def match(self, path: PurePosixPath) -> list[str] | None:
        """Return the text that each wildcard stands for; None where the pattern does not fit.

        Args:
            path: Relative to the folder.
        """
        endings = dict.fromkeys((path.suffix, path.suffix.lower(), path.suffix.upper()))
        for ending in endings:
            if (fit := self._regex.fullmatch(str(path.with_suffix(ending)))) is not None:
                return list(fit.groups())
        return None

    def fill(self, name: str, path: PurePosixPath) -> str:
        """Return `name` with the texts that the wildcards stand for in a path.

        The last wildcard of `name` takes the text of the last one of the pattern, and so on to the front. Where the
        pattern ends with a wildcard, the path's ending is no part of its text.

        Raises:
            DataError: `name` has more wildcards than the pattern, or is too long.
        """
        if len(name) > limits.PATH_CHARS:
            raise DataError(f"labels.name has {len(name)} characters, and {limits.PATH_CHARS} are allowed.")
        texts = self.match(path) or []
        if texts and self.text.endswith("*"):
            texts[-1] = texts[-1].removesuffix(path.suffix)
        wildcards = list(_WILDCARD.finditer(name))
        if len(wildcards) > len(texts):
            raise DataError(
                f"labels.name {name!r} has {len(wildcards)} wildcards and pattern {self.text!r} has {len(texts)}: each "
                "wildcard of the name repeats the text of one of the pattern."
            )
        filled, end = "", 0
        for wildcard, text in zip(wildcards, texts[len(texts) - len(wildcards) :], strict=True):
            filled += name[end : wildcard.start()] + text
            end = wildcard.end()
        return filled + name[end:]


def _regex_parts(text: str) -> list[str]:
    parts, end = [], 0
    for wildcard in _WILDCARD.finditer(text):
        parts += [re.escape(text[end : wildcard.start()]), _group(wildcard[0])]
        end = wildcard.end()
    return [*parts, re.escape(text[end:])]


def _group(wildcard: str) -> str:
    if wildcard == "**/":
        return "((?:[^/]+/)*)"
    if wildcard.startswith("*"):
        return "([^/]*)"
    if wildcard == "?":
        return "([^/])"
    negated, signs = wildcard.startswith("[!"), wildcard[1:-1].removeprefix("!")
    return f"([{'^' if negated else ''}{signs.replace(chr(92), chr(92) * 2).replace('[', chr(92) + '[')}])"
