"""Coverage-guided fuzzing of the readers of untrusted bytes, by hand: pip install atheris, then

python tests/fuzz.py manifest|safetensors|pickle -max_total_time=300 [CORPUS]

Anything but a value or one of our errors is a finding.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["squeezebert_mobile", "zipfile", "pickletools", "json"]):
    from squeezebert_mobile import jsonfile, manifest, weights_pickle, weights_safetensors
    from squeezebert_mobile.errors import SqueezeBertMobileError
    from squeezebert_mobile.manifest import Manifest

FILE = Path("fuzzed")


def parse_manifest(data: bytes) -> None:
    """Sealed first where it is an object, or hardly an input would get past the seal."""
    try:
        values = jsonfile.parse_object(data, FILE)
        sealed = manifest.sealed(values)
    except (SqueezeBertMobileError, UnicodeEncodeError, ValueError):
        sealed = data
    parsed = manifest.parse(sealed, FILE)
    assert isinstance(parsed, Manifest)
    assert manifest.parse(manifest.dump(parsed), FILE) == parsed


READERS: dict[str, Callable[[bytes], object]] = {
    "manifest": parse_manifest,
    "safetensors": lambda data: weights_safetensors.parse(FILE, data),
    "pickle": lambda data: weights_pickle.parse(FILE, data),
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
