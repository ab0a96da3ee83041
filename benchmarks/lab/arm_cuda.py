"""Empty libraries in the place of CUDA's, so that PyPI's torch for 64-bit ARM loads without them.

That wheel is the CUDA build: it is linked to two gigabytes of libraries, none of which an inference on the processor
calls. Each stub has the names and the symbol versions that torch's own libraries ask for.
"""

import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

FOLDER = "cuda-stubs"
_TOOLS = "aarch64-linux-gnu-"
_LIBRARY = re.compile(r"\(NEEDED\).*\[(lib(?:cu|nv|nccl)\S*)\]")
_SYMBOL = re.compile(r" UND (\w+)(?:@(\S+) \(\d+\))?$", re.MULTILINE)
_UNVERSIONED = re.compile(r"_*(cu|nv|nccl)")
# Asked for without a version, a symbol may come from any of them.
_COMMON = "libcudart"

Call = Callable[[Sequence[str]], str]


def write_stubs(libraries: Path, target: Path, call: Call) -> None:
    """Write to ``target`` a stub for each CUDA library that those in ``libraries`` need and do not have beside them.

    ``call`` runs a command and returns what it prints; its errors are passed on.
    """
    needed: set[str] = set()
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    present = sorted(libraries.glob("*.so*"))
    for library in present:
        said = call([f"{_TOOLS}readelf", "--wide", "--dynamic", "--dyn-syms", str(library)])
        needed |= set(_LIBRARY.findall(said))
        for symbol, version in _SYMBOL.findall(said):
            wanted[version].add(symbol)
    target.mkdir()
    for name in sorted(needed - {library.name for library in present}):
        # NVSHMEM alone does not name its version after its file.
        version = "NVSHMEM" if "nvshmem" in name else name
        common = {s for s in wanted[""] if _UNVERSIONED.match(s)} if name.startswith(_COMMON) else set()
        _link(target / name, wanted[version], version, common, call)


def _link(path: Path, versioned: set[str], version: str, common: set[str], call: Call) -> None:
    """A shared library whose functions all return 1, an error in each of those interfaces."""
    with tempfile.TemporaryDirectory() as scratch:
        source, script, built = (str(Path(scratch) / name) for name in ("stub.s", "stub.map", "stub.o"))
        labels = "".join(f".globl {s}\n.type {s}, %function\n{s}:\n" for s in sorted(versioned | common))
        Path(source).write_text(f"{labels} mov x0, 1\n ret\n")
        Path(script).write_text(f"{version} {{ global: {''.join(f'{s}; ' for s in sorted(versioned))}}};\n")
        versions = ["--version-script", script] if versioned else []
        call([f"{_TOOLS}as", source, "-o", built])
        call([f"{_TOOLS}ld", "-shared", *versions, "-soname", path.name, built, "-o", str(path)])
