"""Code lines of each folder and the longest function, held against the budgets in pyproject.toml.

    python tests/guards/budgets.py

A code line holds a token that is neither comment nor docstring. A feature that needs more raises the budget of its
folder in the same commit.
"""

import ast
import io
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.ENCODING,
}
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(source: str) -> set[int]:
    """The numbers of the lines that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - _docstring_lines(ast.parse(source))


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Each function's name and code lines."""
    lines = code_lines(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, len(lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1)))


def measure(parts: Iterable[str]) -> dict[str, int]:
    """Code lines of each folder; a file counts for the innermost of the folders that hold it."""
    totals = dict.fromkeys(parts, 0)
    files = {file for part in totals for file in (ROOT / part).rglob("*.py")}
    for file in files:
        owner = max((part for part in totals if file.is_relative_to(ROOT / part)), key=len)
        totals[owner] += len(code_lines(file.read_text(encoding="utf-8")))
    return totals


def main() -> int:
    """Print the table; 1 where a budget is exceeded."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["budgets"]
    budgets: dict[str, int] = settings["lines"]
    totals = measure(budgets)
    over = [part for part, total in totals.items() if total > budgets[part]]
    for part, total in totals.items():
        print(f"{part:32} {total:6} of {budgets[part]:6} code lines{'  OVER' if part in over else ''}")
    print(f"{'all':32} {sum(totals.values()):6}")
    longest = [
        (lines, f"{file.relative_to(ROOT)}: {name}")
        for part in budgets
        for file in (ROOT / part).rglob("*.py")
        for name, lines in functions(file.read_text(encoding="utf-8"))
        if lines > settings["function"]
    ]
    for lines, name in sorted(set(longest)):
        print(f"{name} has {lines} code lines, at most {settings['function']}")
    return 1 if over or longest else 0


if __name__ == "__main__":
    sys.exit(main())
