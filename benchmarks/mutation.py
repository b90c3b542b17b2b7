"""Plant small faults in `rs_adapt` at random and count how many of them the tests find.

Each fault is one changed token or one dropped line: a comparison turned round, a constant changed, `+` for `-`, a
statement left out. Which tests run for a fault is read from a coverage file with contexts, because only tests that
execute the line can notice it:

    python -m pytest -q -m "not slow" --cov=rs_adapt --cov-branch --cov-context=test --junitxml=times.xml
    python benchmarks/mutation.py --faults 60 --seed 0 --coverage .coverage --times times.xml --marker "not slow"

`--like FILE` takes the faults of an earlier run's `--out` file whose lines still stand here, once, wherever they have
moved to: so two versions of the package meet the same faults. `--also-in CHECKOUT` draws only faults that fit both.
Of a line that very many tests execute, at most `--most` run: those of the module's own folder first, then the
quickest. A fault that makes a test hang counts as found.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from coverage import CoverageData

_FLIPPED: dict[type[ast.cmpop], str] = {
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
# Not division: most of them join paths.
_TURNED: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/"}
_TIMEOUT_S = 240


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault: the line before and after, and what became of it.

    Attributes:
        file: Path below the checkout.
        line: Line number, from 1.
        kind: "comparison", "constant", "arithmetic" or "dropped".
        before: The line as it is.
        after: The line with the fault.
        found_by: First test that failed; "" where none did.
        num_tests: How many tests execute the line.
    """

    file: str
    line: int
    kind: str
    before: str
    after: str
    found_by: str = ""
    num_tests: int = 0


def main() -> None:
    """Read the options, plant the faults one after another, print a table."""
    parser = argparse.ArgumentParser(description="Count how many small faults the tests find.")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="The checkout.")
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coverage", type=Path, required=True, help="Coverage file with one context a test.")
    parser.add_argument("--times", type=Path, required=True, help="JUnit file of the same run.")
    parser.add_argument("--also-in", type=Path, help="Another checkout: plant only faults whose line stands there too.")
    parser.add_argument("--like", type=Path, help="An earlier run's --out file: plant the faults that still fit.")
    parser.add_argument("--marker", default="", help='Value of pytest\'s -m, such as "not slow".')
    parser.add_argument("--most", type=int, default=60, help="Tests to run for one fault.")
    parser.add_argument("--out", type=Path, help="JSON file with all faults.")
    options = parser.parse_args()
    root: Path = options.root.resolve()
    faults = _candidates(root)
    if options.also_in:
        there = {_key(fault) for fault in _candidates(options.also_in.resolve())}
        faults = [fault for fault in faults if _key(fault) in there]
    faults = _like(faults, options.like) if options.like else random.Random(options.seed).sample(faults, len(faults))
    faults = faults[: options.faults]
    executing = _tests_by_line(options.coverage, root)
    seconds = _seconds_by_test(options.times)
    results: list[Fault] = []
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "checkout"
        shutil.copytree(
            root, copy, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "work_dirs", ".*_cache")
        )
        for number, fault in enumerate(faults, 1):
            tests = _ordered(executing(fault), fault, seconds)
            found = _first_failure(copy, fault, tests[: options.most], marker=options.marker) if tests else ""
            results.append(replace(fault, found_by=found, num_tests=len(tests)))
            verdict = found or ("survived" if tests else "survived, no test executes it")
            print(f"{number:3} {fault.kind:11} {fault.file}:{fault.line} {verdict}", flush=True)
            if options.out:
                options.out.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    _print_summary(results)


def _print_summary(results: list[Fault]) -> None:
    kinds = Counter(fault.kind for fault in results)
    for kind, count in sorted(kinds.items()):
        print(f"{kind}: {sum(bool(fault.found_by) for fault in results if fault.kind == kind)} of {count} found")
    print(f"all: {sum(bool(fault.found_by) for fault in results)} of {len(results)} found")


def _candidates(root: Path) -> list[Fault]:
    """Every fault of which the line stands once in the package, ordered by file and line."""
    paths = sorted((root / "rs_adapt").rglob("*.py"))
    counts = Counter(line.strip() for path in paths for line in path.read_text(encoding="utf-8").splitlines())
    faults = [fault for path in paths for fault in _faults_of(path, root) if counts[fault.before.strip()] == 1]
    return sorted(faults, key=lambda fault: (fault.file, fault.line, fault.kind))


def _like(candidates: list[Fault], file: Path) -> list[Fault]:
    """Return the candidates that an earlier run planted too, in its order."""
    here = {_key(fault): fault for fault in candidates}
    earlier = [_key(Fault(**fault)) for fault in json.loads(file.read_text())]
    return [here[key] for key in earlier if key in here]


def _key(fault: Fault) -> tuple[str, str, str]:
    """Return what makes a fault the same in two versions, wherever its line has moved to."""
    return fault.kind, fault.before.strip(), fault.after.strip()


def _faults_of(path: Path, root: Path) -> Iterator[Fault]:
    """Yield one fault of each kind for each line of a module that can carry it."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    seen: set[tuple[int, str]] = set()
    for node in ast.walk(ast.parse(text)):
        for kind, changed in _changes(node, lines):
            line: int = node.lineno  # type: ignore[attr-defined]
            if (line, kind) not in seen and changed != lines[line - 1]:
                seen.add((line, kind))
                where = path.relative_to(root).as_posix()
                yield Fault(file=where, line=line, kind=kind, before=lines[line - 1], after=changed)


def _changes(node: ast.AST, lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield (kind, changed line) for one node; nodes that span lines are left alone."""
    if not hasattr(node, "lineno") or node.lineno != node.end_lineno:  # type: ignore[attr-defined]
        return
    line = lines[node.lineno - 1]
    if not line.isascii():
        # Columns of the syntax tree count bytes.
        return
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield "comparison", _between(line, node.left, node.comparators[0], _FLIPPED[type(node.ops[0])])
    elif isinstance(node, ast.BinOp) and type(node.op) in _TURNED:
        yield "arithmetic", _between(line, node.left, node.right, _TURNED[type(node.op)])
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        value = (not node.value) if isinstance(node.value, bool) else node.value + 1
        assert node.end_col_offset is not None
        yield "constant", line[: node.col_offset] + repr(value) + line[node.end_col_offset :]
    elif isinstance(node, ast.Expr | ast.AugAssign) and not (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    ):
        yield "dropped", line[: node.col_offset] + "pass"


def _between(line: str, left: ast.expr, right: ast.expr, operator: str) -> str:
    """Replace what stands between two operands, brackets aside, by another operator."""
    assert left.end_col_offset is not None
    gap = line[left.end_col_offset : right.col_offset]
    opening, closing = gap.count("("), gap.count(")")
    return f"{line[: left.end_col_offset]}{')' * closing} {operator} {'(' * opening}{line[right.col_offset :]}"


def _tests_by_line(file: Path, root: Path) -> Callable[[Fault], set[str]]:
    """Return a function from a fault to the names of the tests that execute its line."""
    data = CoverageData(basename=str(file))
    data.read()
    by_path = {os.path.realpath(name): name for name in data.measured_files()}

    def executing(fault: Fault) -> set[str]:
        name = by_path.get(os.path.realpath(root / fault.file))
        if name is None:
            return set()
        contexts = data.contexts_by_lineno(name)
        tests = {_test_name(context) for context in contexts.get(fault.line, []) if context}
        if tests:
            return tests
        if fault.line not in contexts:
            return set()
        # Executed at import, in no test: whoever executes anything of the module may notice.
        return {_test_name(context) for found in contexts.values() for context in found if context}

    return executing


def _test_name(context: str) -> str:
    # "path::name|run"; a parameter in the name may hold the bar, too.
    return context.rpartition("|")[0]


def _seconds_by_test(file: Path) -> dict[str, float]:
    """Seconds of each test by "module.path::name", from a JUnit file."""
    return {
        f"{case.get('classname')}::{case.get('name')}": float(case.get("time", 0))
        for case in ET.parse(file).getroot().iter("testcase")
    }


def _ordered(tests: set[str], fault: Fault, seconds: dict[str, float]) -> list[str]:
    """Own folder first, then the quickest."""
    folder = "tests/" + "/".join(fault.file.split("/")[1:-1])

    def key(test: str) -> tuple[bool, float, str]:
        module, _, name = test.partition("::")
        junit = f"{module.removesuffix('.py').replace('/', '.')}::{name}"
        return (not test.startswith(folder), seconds.get(junit, 0.0), test)

    return sorted(tests, key=key)


def _first_failure(copy: Path, fault: Fault, tests: list[str], *, marker: str) -> str:
    """Plant the fault in the copy, run the tests until one fails, and take the fault out again."""
    path = copy / fault.file
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    lines[fault.line - 1] = fault.after + "\n"
    path.write_text("".join(lines), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "--timeout=60"]
    try:
        done = subprocess.run(
            [*command, *(["-m", marker] if marker else []), *tests],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {_TIMEOUT_S} s"
    finally:
        path.write_text(text, encoding="utf-8")
    if done.returncode in (0, 5):
        return ""
    if "ERROR: not found:" in done.stderr:
        raise SystemExit(f"The coverage file names tests that are not there:\n{done.stderr}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else f"pytest ended with {done.returncode}"


if __name__ == "__main__":
    main()
