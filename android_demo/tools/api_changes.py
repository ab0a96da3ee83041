"""Compare the public API of two jars of squeezebert-core: 1 where an app of the old one fails with the new one.

``core/api/`` keeps the public classes of the last release, before the first those of this version. ``--keep`` writes
them.
"""

import argparse
import os
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from apk_inputs import JAPICMP, maven

KEPT = Path(__file__).parents[1] / "core/api/squeezebert-core-0.1.0.jar"
_PUBLIC = "org/squeezebert/"


def changes(old: Path, new: Path) -> tuple[bool, str]:
    """Whether the public API of ``new`` still does for ``old``'s users, and japicmp's report of what changed."""
    options = ("--only-modified", "--include", "org.squeezebert", "--exclude", "org.squeezebert.internal.*")
    strict = ("--error-on-binary-incompatibility", "--error-on-source-incompatibility", "--ignore-missing-classes")
    tool = os.pathsep.join(str(maven(jar)) for jar in JAPICMP)
    command = ["java", "-cp", tool, "japicmp.JApiCmp", "--old", str(old), "--new", str(new), *options, *strict]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def keep(jar: Path) -> None:
    """The classes of the public package, which alone are compared."""
    with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(KEPT, "w", zipfile.ZIP_DEFLATED) as kept:
        for name in sorted(whole.namelist()):
            if name.startswith(_PUBLIC) and name.endswith(".class") and "/" not in name.removeprefix(_PUBLIC):
                kept.writestr(zipfile.ZipInfo(name), whole.read(name), zipfile.ZIP_DEFLATED)


def main() -> int:
    """Compare, or keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("jar", type=Path, help="the new squeezebert-core jar")
    parser.add_argument("--old", type=Path, default=KEPT, help="the jar it replaces; default: the kept one")
    parser.add_argument("--keep", action="store_true", help="keep the new jar's public classes, compare nothing")
    arguments = parser.parse_args()
    if arguments.keep:
        keep(arguments.jar)
        return 0
    holds, report = changes(arguments.old, arguments.jar)
    print(report)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
