"""Coverage-guided fuzzing of the readers of untrusted bytes, by hand.

pip install atheris   (Linux or macOS; no part of the project's environment, since no test needs it)
python tests/helpers/fuzz.py manifest|safetensors|pickle -max_total_time=600 -rss_limit_mb=3000 CORPUS

CORPUS is a folder with a sound file or two of the kind. Anything but a value or one of our errors is a finding, and
so is an input that takes more memory or time than libFuzzer's limits allow.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

atheris = import_module("atheris")

with atheris.instrument_imports(include=["squeezebert_mobile", "zipfile", "pickletools", "json"]):
    from squeezebert_mobile.bundle import manifest
    from squeezebert_mobile.bundle.manifest import Manifest
    from squeezebert_mobile.checkpoint import pickle, safetensors
    from squeezebert_mobile.errors import SqueezeBertMobileError
    from squeezebert_mobile.files import parse_json

FILE = Path("fuzzed")


def parse_manifest(data: bytes) -> None:
    """Sealed first where it is an object, or hardly an input would get past the seal."""
    try:
        values = parse_json(data, FILE)
        sealed = manifest.sealed(values)
    except (SqueezeBertMobileError, UnicodeEncodeError, ValueError):
        sealed = data
    parsed = manifest.parse(sealed, FILE)
    assert isinstance(parsed, Manifest)
    assert manifest.parse(manifest.dump(parsed), FILE) == parsed


READERS: dict[str, Callable[[bytes], object]] = {
    "manifest": parse_manifest,
    "safetensors": lambda data: safetensors.parse(FILE, data),
    "pickle": lambda data: pickle.parse(FILE, data),
}


def main() -> None:
    read = READERS[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        try:
            read(data)
        except SqueezeBertMobileError:
            return

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
