"""A bundle with the artifacts of one runtime alone, for an APK that has no other.

python android_demo/tools/one_runtime.py BUNDLE RUNTIME OUT
"""

import shutil
import sys
from pathlib import Path

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle import manifest


def write(source: Path, runtime: str, target: Path) -> Path:
    """``target``: ``source`` less the artifacts of other runtimes, sealed again."""
    whole = bundles.read(source).manifest
    kept = tuple(artifact for artifact in whole.artifacts if artifact.runtime == runtime)
    if not kept:
        raise SystemExit(f"error: {source}: has no artifact of {runtime}; fix: export it with --runtime {runtime}")
    described = whole.model_copy(update={"artifacts": kept})
    with bundles.staged(target, force=True) as stage:
        for entry in described.every_file():
            (stage / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / entry.path, stage / entry.path)
        (stage / manifest.MANIFEST_NAME).write_bytes(manifest.dump(described))
    return target


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
