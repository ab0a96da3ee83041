"""The releases of ExecuTorch whose private parts are known here; asked for before anything heavy is imported."""

import importlib.metadata

from squeezebert_mobile import extras
from squeezebert_mobile.errors import EnvironmentFault

RELEASES = ("1.4", "1.5")


def require_release() -> None:
    """Raise EnvironmentFault where ExecuTorch is missing or not of a release whose private parts are known here."""
    expected, fix = f"{RELEASES[0]} to {RELEASES[-1]}", extras.install("executorch", "torch", "torchao")
    try:
        found = importlib.metadata.version("executorch")
    except importlib.metadata.PackageNotFoundError:
        raise EnvironmentFault("executorch", "is not installed", expected=expected, fix=fix) from None
    if ".".join(found.split(".")[:2]) not in RELEASES:
        what = "is not a release that this can lower with"
        raise EnvironmentFault("executorch", what, found=found, expected=expected, fix=fix)
