"""Run the code of a notebook in this process and write its answers into it.

    python tests/helpers/notebook.py docs/quickstart.ipynb

What a kernel would show of a cell: what it prints, and its last line's value as text and, where it has one, as a page.
"""

import ast
import io
import json
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Notebook = dict[str, Any]


def executed(notebook: Notebook, folder: Path) -> Notebook:
    """The notebook with the outputs of its code, which runs in ``folder``."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    with chdir(folder):
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                cells.append(cell)
                continue
            count += 1
            cells.append(cell | {"execution_count": count, "outputs": _outputs("".join(cell["source"]), names, count)})
    return notebook | {"cells": cells}


def _outputs(source: str, names: dict[str, Any], count: int) -> list[Notebook]:
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, f"cell {count}", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), f"cell {count}", "eval"), names)
    outputs: list[Notebook] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data["text/html"] = [value._repr_html_()]
        outputs.append({"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return outputs


def read(path: Path) -> Notebook:
    """A notebook's JSON."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def main(path: Path) -> None:
    """Write the outputs of ``path`` anew."""
    with TemporaryDirectory() as folder:
        made = executed(read(path), Path(folder))
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
