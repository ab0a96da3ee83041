"""Which operators a small build of a runtime needs for a pack's files, as that runtime's own tools list them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import EnvironmentFault

FOLDER = "runtime"
ONNX_NAME = f"{FOLDER}/required_operators.config"
_ONNX_TOOL = "onnxruntime.tools.convert_onnx_models_to_ort"
_EXECUTORCH_TOOL = "executorch.codegen.tools.gen_oplist"
# What holds on every processor; "all" lays weights out for that of this machine.
_LEVEL = {"ORT_CONVERT_ONNX_MODELS_TO_ORT_OPTIMIZATION_LEVEL": "extended"}


def lists(folder: Path, artifacts: Sequence[Artifact]) -> dict[str, bytes]:
    """The lists by their path in a bundle.

    One file for all ONNX artifacts, as ``build.py --include_ops_by_config`` of ONNX Runtime reads it, made of their
    graphs as ONNX Runtime optimizes them; one for each .pte, as ExecuTorch's selective build reads it. Raises
    EnvironmentFault where a tool fails.
    """
    found = {}
    with TemporaryDirectory(prefix="squeezebert-mobile-") as name:
        scratch = Path(name)
        graphs = [artifact for artifact in artifacts if artifact.runtime == "onnx"]
        if graphs:
            found[ONNX_NAME] = _of_graphs([folder / artifact.path for artifact in graphs], scratch)
        for artifact in artifacts:
            if artifact.runtime == "executorch":
                path = folder / artifact.path
                found[f"{FOLDER}/{path.stem}.yaml"] = _of_program(path, scratch)
    return found


def _of_graphs(paths: Sequence[Path], scratch: Path) -> bytes:
    models, made = scratch / "models", scratch / "made"
    models.mkdir()
    for path in paths:
        (models / path.name).write_bytes(path.read_bytes())
    _run(_ONNX_TOOL, models, "--output_dir", made, "--optimization_style", "Fixed", "--enable_type_reduction")
    (config,) = made.rglob("*.config")
    return _without(config, "#")


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
