"""Core and bench as an APK carries them, run on the JVM: D8's output translated back, under their tests and vectors."""

import os
import re
import zipfile
from pathlib import Path

from apk_inputs import maven, run

_TOOLS = Path(__file__).parent
_MODULES = [_TOOLS.parent / name / "src" for name in ("core", "bench")]
_PACKAGES = ("org/squeezebert", "org/squeezebert/internal", "org/squeezebert/internal/bench")
_DEX2JAR = [f"de.femtopedia.dex2jar:dex-{name}:2.4.38" for name in ("translator", "ir", "reader", "reader-api")]
_ASM = [f"org.ow2.asm:{name}:9.10.1" for name in ("asm", "asm-commons", "asm-tree")]
JUNIT = "org.junit.platform:junit-platform-console-standalone:1.11.4"


def test(apk: Path, classes: Path, work: Path) -> int:
    """How many of their tests pass on the APK's dex, which was made from ``classes``. Exits where one fails."""
    folder = work / "dexed-core"
    with zipfile.ZipFile(apk) as opened:
        dex = Path(opened.extract("classes.dex", folder))
    core = _from_dex(dex, folder)
    junit, tests = maven(JUNIT), folder / "tests"
    sources = [path for module in _MODULES for path in sorted((module / "test/java").rglob("*.java"))]
    run("javac", "--release", "8", "-nowarn", "-encoding", "UTF-8", "-cp", _path(classes, junit), "-d", tests, *sources)
    resources = [module / kind / "resources" for module in _MODULES for kind in ("main", "test")]
    class_path = _path(core, tests, *resources)
    scan = ("--scan-class-path", tests, "--fail-if-no-tests", "--details", "summary")
    said = run("java", "-jar", junit, "execute", "--class-path", class_path, *scan)
    counts = {what: int(number) for number, what in re.findall(r"(\d+) tests (found|successful)", said)}
    if counts["found"] != counts["successful"]:  # one was skipped; a failure has another exit code
        raise SystemExit(f"error: {apk.name}: not all of the tests ran on its dex\n{said}")
    return counts["successful"]


def _from_dex(dex: Path, folder: Path) -> Path:
    """The project's classes as a jar."""
    libraries, tool, core = _path(*map(maven, _DEX2JAR + _ASM)), folder / "tool", folder / "core.jar"
    run("javac", "-nowarn", "-cp", libraries, "-d", tool, _TOOLS / "FromDex.java")
    run("java", "-cp", _path(tool, libraries), "FromDex", dex, core, *_PACKAGES)
    return core


def _path(*parts: Path | str) -> str:
    return os.pathsep.join(map(str, parts))
