"""Graphs of a bundle in ONNX Runtime's own format, once they answered bit by bit as their .onnx does."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import golden
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.bundle.golden import GOLDEN_NAME, MAX_GOLDEN_BYTES
from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.run.session import Session

# Columns of padding, as small and odd as those of an export's proof.
_PADDING = 5


def converted(bundle: Bundle, graphs: Mapping[str, bytes]) -> tuple[dict[str, Artifact], dict[str, bytes]]:
    """The artifacts of ``graphs`` by the path of their .onnx, and the bytes of these artifacts by their own.

    What was proven of an .onnx holds for its other form, since that answers the same: raises GateError where it does
    not, on a golden text alone or padded, and as `Session`.
    """
    artifacts, models = {}, {}
    for artifact in bundle.manifest.artifacts:
        if (data := graphs.get(artifact.path)) is None:
            continue
        entry = bundles.entry(str(Path(artifact.path).with_suffix(".ort")), data)
        version = importlib.metadata.version("onnxruntime")
        own = {"form": "ort", "version": f"{artifact.version}, optimized by ONNX Runtime {version}"}
        artifacts[artifact.path] = artifact.model_copy(update=own | entry.model_dump())
        models[entry.path] = data
        _require_same(bundle, artifact, artifacts[artifact.path], data)
    return artifacts, models


def _require_same(bundle: Bundle, plain: Artifact, own: Artifact, data: bytes) -> None:
    read = bundle.read(GOLDEN_NAME, max_bytes=MAX_GOLDEN_BYTES)
    cases = golden.of_bundle(read, bundle.folder / GOLDEN_NAME, bundle.manifest)
    with TemporaryDirectory(prefix="squeezebert-mobile-") as name:
        (Path(name) / own.path).parent.mkdir(parents=True)
        (Path(name) / own.path).write_bytes(data)
        with Session(bundle.folder, plain) as before, Session(Path(name), own) as after:
            for case in cases:
                batch = case.batch(bundle.manifest.task.rank)
                padded = batch.padded(min(batch.input_ids.shape[-1] + _PADDING, own.max_length))
                for given in (batch, padded):
                    expected, found = before.run(given), after.run(given)
                    if not all(np.array_equal(expected[output], found[output]) for output in expected):
                        what, fix = f"answers otherwise than {plain.path}", "leave --ort out, and ship the .onnx"
                        raise GateError(own.path, what, found=f"golden text {case.name!r}", fix=fix)
