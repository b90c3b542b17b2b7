"""The bounds on what is read from a configuration that somebody else wrote."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rs_adapt.audit.foreign.node import Node
from rs_adapt.documents import MAX_DEPTH

# The largest configurations of mmdetection hold some ten thousand values.
MAX_VALUES = 100_000
# A configuration has about five bases, each of which may have some.
MAX_FILES = 200
MAX_TEXT = 1_000_000


class NotReadable(Exception):
    """Raised at an expression that is not read; the message is half a sentence."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass
class Budget:
    """What reading a configuration with all its bases may still cost.

    Attributes:
        values: Values that may still be made.
        files: Files that may still be opened.
        opened: The files that include the present one, outermost first.
    """

    values: int = 2 * MAX_VALUES
    files: int = MAX_FILES
    opened: list[Path] = field(default_factory=list)

    def spend(self, number: int, line: int) -> None:
        """Count new values.

        Raises:
            NotReadable: There are more than any configuration has.
        """
        self.values -= number
        if self.values < 0:
            raise NotReadable(line, f"the configuration makes more than {2 * MAX_VALUES} values")

    def spend_text(self, chars: int, line: int) -> None:
        """Count a new text before it is made.

        Raises:
            NotReadable: It is longer than any of a configuration, or there are too many.
        """
        if chars > MAX_TEXT:
            raise NotReadable(line, f"it makes a value of {chars} parts")
        self.spend(chars // 16, line)


def check_size(root: Node) -> None:
    """Refuse a tree that is far larger than its text, because parts of it stand in many places or within themselves.

    Raises:
        NotReadable: It holds more than `MAX_VALUES` values, or nests deeper than `MAX_DEPTH` levels.
    """
    seen, stack = 0, [(root, 0)]
    while stack:
        node, depth = stack.pop()
        seen += 1
        if seen > MAX_VALUES:
            raise NotReadable(root.site.line, f"the configuration holds more than {MAX_VALUES} values")
        if depth > MAX_DEPTH:
            raise NotReadable(node.site.line, f"the configuration nests deeper than {MAX_DEPTH} levels")
        stack += [(inner, depth + 1) for inner in (*node.entries.values(), *node.items)]
