"""The rules of the house, as functions from a file's path and source to what is wrong in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from copytrading.env import BASE_DIR

ROOMS = ("copytrading", "accounts", "orders", "workers")
LONGEST_FUNCTION = 70
LONGEST_FILE = 400
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "common", "misc", "services", "managers"}

_CLOCKS = re.compile(
    r"\b(datetime\.(now|utcnow|today)|date\.today|timezone\.now|time\.(time|time_ns|monotonic|monotonic_ns|perf_counter))\b"
)
_ENVIRONMENT = re.compile(r"\bos\.(environ|getenv|putenv)\b(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")")

#: Files that turn something into a float, and what that is. Money, prices and lots are never among it.
FLOATS: dict[str, str] = {
    "orders/audit/comparing.py": "the score of a sorted set, a double in Redis itself, is compared with the level",
}


def sources(*rooms: str) -> Iterator[Path]:
    """Every Python file of these rooms that people write."""
    for room in rooms:
        yield from (path for path in sorted((BASE_DIR / room).rglob("*.py")) if "migrations" not in path.parts)


def long_functions(source: str) -> list[str]:
    return [
        f"{node.name} has {lines} lines; at most {LONGEST_FUNCTION} fit on a screen"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    ]


def long_file(source: str) -> list[str]:
    lines = len(source.splitlines())
    return [f"{lines} lines; at most {LONGEST_FILE}"] if lines > LONGEST_FILE else []


def empty_name(path: Path) -> list[str]:
    parts = path.stem, path.parent.name
    return [f"{part} says nothing about what is in it" for part in parts if part in NAMES_THAT_SAY_NOTHING]


def own_clock(source: str) -> list[str]:
    return [f"{found} reads a clock; use copytrading.kernel.clock" for found in _found(_CLOCKS, source)]


def own_environment(source: str) -> list[str]:
    return [f"{found} reads the environment; that is for copytrading.env" for found in _found(_ENVIRONMENT, source)]


def floats(source: str) -> list[str]:
    """Calls of float(). A literal with a point is looked for in the rules alone: elsewhere it counts seconds."""
    return [
        f"line {node.lineno}: a float; money, prices and lots are Decimal"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
    ]


def float_literals(source: str) -> list[str]:
    return [
        f"line {node.lineno}: {node.value} is a float; write a Decimal"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, float)
    ]


def _found(pattern: re.Pattern[str], source: str) -> list[str]:
    code = "\n".join(line.split("#")[0] for line in source.splitlines())
    return [match.group() for match in pattern.finditer(code)]
