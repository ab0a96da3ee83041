"""Mutation tests: for each module that a promise rests on, the share of seeded faults that its tests notice.

make mutation                      every module of mutants.toml
make mutation MODULES="manifest"   some of them
python tests/helpers/mutants.py gates --only "*require*" --only "*range*"   mutants of these names

mutmut wants a module's name to be its path, so the tree is laid out as it is installed, in build/mutation. A module's
survivors are left in build/mutation/MODULE.diff. The exit status is 1 where one is not justified in mutants.toml.
"""

import argparse
import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant

ROOT = Path(__file__).parents[2]
TREE = ROOT / "build" / "mutation"
PACKAGE = "squeezebert_mobile"
NOTICED = ("killed", "timeout", "segfault")
ROW = "{:14} {:>8} {:>7} {:>8} {:>9} {:>9} {:>10} {:>7}"


def say(*cells: object) -> None:
    sys.stdout.write(ROW.format(*cells) + "\n")
    sys.stdout.flush()


def lay_out() -> None:
    """The package as installed, and the tests beside it."""
    shutil.rmtree(TREE, ignore_errors=True)
    folders = {PACKAGE: PACKAGE, "tests": "tests"}
    folders |= tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, folder in folders.items():
        target = TREE / package.replace(".", "/")
        ignored = shutil.ignore_patterns("__pycache__", "demo", "results")
        shutil.copytree(ROOT / folder, target, ignore=ignored, dirs_exist_ok=True)


def mutmut(*arguments: str) -> str:
    """The standard output of a mutmut command. Exits with its output where it fails."""
    done = subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=TREE, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"mutmut {' '.join(arguments)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def configure(module: Mapping[str, Sequence[str]], wording: Sequence[str]) -> None:
    """Give mutmut one module and its tests."""
    only = [f"{PACKAGE}/{path}" for path in module["code"]]
    deselected = [argument for name in module.get("without", ()) for argument in ("--deselect", name)]
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": only,
        "pytest_add_cli_args_test_selection": [*module["tests"], *deselected],
        "pytest_add_cli_args": ["-m", "not slow", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"],
        "do_not_mutate_patterns": list(wording),
        "use_git_change_detection": False,
    }
    # Of the values that TOML knows, lists of strings and switches are written as in JSON.
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    text = (ROOT / "pyproject.toml").read_text()
    (TREE / "pyproject.toml").write_text("\n".join((text, "[tool.mutmut]", *lines)) + "\n")
    shutil.rmtree(TREE / "mutants", ignore_errors=True)


def difference(mutant: str) -> str:
    """A mutant's diff under its name, as `mutmut show` gives it in a second each."""
    path = mutant.rpartition(".")[0].replace(".", "/") + ".py"
    with contextlib.chdir(TREE):
        return f"# {mutant}\n{get_diff_for_mutant(mutant, path=path)}\n"


def changed_line(diff: str) -> str:
    """The line that a mutant has in the place of another, without the blanks around it; ``-`` and the one it lacks."""
    lines = [line for line in diff.splitlines() if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    return added[0] if added else f"- {lines[0][1:].strip()}"


def run(
    name: str, module: Mapping[str, Sequence[str]], wording: Sequence[str], children: int, only: Sequence[str]
) -> bool:
    """Print a module's score; True where every survivor is justified, and each justification is of a survivor."""
    configure(module, wording)
    mutmut("run", "--max-children", str(children), *only)
    every = [line.strip().rpartition(": ") for line in mutmut("results", "--all", "true").splitlines()]
    results = [result for result in every if result[2] != "not checked"]
    counts = Counter(status for _, _, status in results)
    justified = set(module.get("equivalent", ()))
    diffs = [difference(mutant) for mutant, _, status in results if status not in NOTICED]
    found = [changed_line(diff) for diff in diffs]
    left = [diff for diff, line in zip(diffs, found, strict=True) if line not in justified]
    unfound = set() if only else justified - set(found)
    stale = [f"mutants.toml justifies what is not a survivor: {line}\n" for line in sorted(unfound)]
    (TREE / f"{name}.diff").write_text("\n".join((*left, *stale)))
    equivalent = len(diffs) - len(left)
    total, noticed = counts.total(), sum(counts[status] for status in NOTICED)
    score = f"{noticed / max(total - equivalent, 1):.1%}"
    row = (name, total, noticed, counts["timeout"], counts["no tests"], counts["survived"], equivalent, score)
    say(*row)
    return not left and not stale


def main() -> int:
    config = tomllib.loads((Path(__file__).with_suffix(".toml")).read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="; ".join(config["modules"]))
    parser.add_argument("--children", type=int, default=1)
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="mutants of these names alone")
    arguments = parser.parse_args()
    if sys.platform == "linux":
        # A fault in a size asks for any memory; the largest real test takes half of this, most of it torch's.
        resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    lay_out()
    say("module", "mutants", "noticed", "by time", "no tests", "survived", "equivalent", "score")
    names = arguments.modules or list(config["modules"])
    passed = [
        run(name, config["modules"][name], config["wording"], arguments.children, arguments.only) for name in names
    ]
    return not all(passed)


if __name__ == "__main__":
    sys.exit(main())
