"""A bundle with the file that one runtime is recommended alone, for an APK that has no other.

python android_demo/tools/one_runtime.py BUNDLE RUNTIME OUT
"""

import sys
from pathlib import Path

from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.card import CARD_NAME, card
from squeezebert_mobile.files import read_verified


def write(source: Path, runtime: str, target: Path) -> Path:
    """``target``: ``source`` with one artifact, its card written anew, sealed again."""
    whole = bundles.read(source)
    chosen = whole.manifest.model_copy(update={"artifacts": (whole.recommended(runtime),)})
    kept = [entry for entry in chosen.every_file() if entry.path != CARD_NAME]
    content = {entry.path: read_verified(source / entry.path, entry.sha256) for entry in kept}
    content[CARD_NAME] = card(chosen).encode()
    files = tuple(bundles.entry(entry.path, content[entry.path]) for entry in chosen.files)
    with bundles.staged(target, force=True) as stage:
        bundles.fill(stage, content, chosen.model_copy(update={"files": files}))
    return target


if __name__ == "__main__":
    write(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
