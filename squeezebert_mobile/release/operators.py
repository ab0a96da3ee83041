"""What small builds of the runtimes need for a pack's files, as these runtimes' tools make it: operators, `.ort`."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import EnvironmentFault

FOLDER = "runtime"
ONNX_NAME = f"{FOLDER}/required_operators.config"
_ONNX_TOOL = "onnxruntime.tools.convert_onnx_models_to_ort"
_EXECUTORCH_TOOL = "executorch.codegen.tools.gen_oplist"
# What holds on every processor; "all" lays weights out for that of this machine.
_LEVEL = {"ORT_CONVERT_ONNX_MODELS_TO_ORT_OPTIMIZATION_LEVEL": "extended"}


@dataclass(frozen=True)
class Made:
    """Lists by their path in a bundle, and graphs in ONNX Runtime's own format by the path of their .onnx."""

    lists: Mapping[str, bytes]
    graphs: Mapping[str, bytes]


def make(bundle: Bundle, artifacts: Sequence[Artifact]) -> Made:
    """Both of these artifacts.

    One list for all graphs, as ``build.py --include_ops_by_config`` of ONNX Runtime reads it, made of them as ONNX
    Runtime optimizes them; one for each .pte, as ExecuTorch's selective build reads it. Graphs that are in that format
    already came with their list. Raises EnvironmentFault where a tool fails.
    """
    lists: dict[str, bytes] = {}
    graphs: dict[str, bytes] = {}
    with TemporaryDirectory(prefix="squeezebert-mobile-") as name:
        scratch = Path(name)
        plain = [artifact.path for artifact in artifacts if artifact.runtime == "onnx" and artifact.form is None]
        if plain:
            lists[ONNX_NAME], graphs = _of_graphs(bundle.folder, plain, scratch)
        elif any(artifact.form == "ort" for artifact in artifacts):
            lists[ONNX_NAME] = bundle.read(ONNX_NAME)
        for artifact in artifacts:
            if artifact.runtime == "executorch":
                path = bundle.folder / artifact.path
                lists[f"{FOLDER}/{path.stem}.yaml"] = _of_program(path, scratch)
    return Made(lists, graphs)


def _of_graphs(folder: Path, paths: Sequence[str], scratch: Path) -> tuple[bytes, dict[str, bytes]]:
    models, made = scratch / "models", scratch / "made"
    for path in paths:
        (models / path).parent.mkdir(parents=True, exist_ok=True)
        (models / path).write_bytes((folder / path).read_bytes())
    _run(_ONNX_TOOL, models, "--output_dir", made, "--optimization_style", "Fixed", "--enable_type_reduction")
    (config,) = made.rglob("*.config")
    graphs = {}
    for path in paths:
        # Its name says the level, too.
        (graph,) = (made / path).parent.glob(f"{Path(path).stem}.*ort")
        graphs[path] = graph.read_bytes()
    return _without(config, "#"), graphs


def _of_program(path: Path, scratch: Path) -> bytes:
    made = scratch / f"{path.stem}.yaml"
    _run(_EXECUTORCH_TOOL, "--model_file_path", path, "--output_path", made)
    return made.read_bytes().replace(str(path).encode(), path.name.encode())


def _without(path: Path, mark: str) -> bytes:
    """The lines of a file but for its comments, which name folders of this machine."""

    def kept() -> Iterator[str]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith(mark):
                yield f"{line}\n"

    return "".join(kept()).encode()


def _run(tool: str, *arguments: str | Path) -> None:
    command = [sys.executable, "-m", tool, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **_LEVEL}, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason"])[-1][:300]
        fix = "install it again: squeezebert-mobile doctor says how"
        raise EnvironmentFault(tool, f"cannot list the operators: {reason}", fix=fix)
