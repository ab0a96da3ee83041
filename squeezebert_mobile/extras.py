"""Packages that only some commands need: asked for before the work starts, not when its result is due."""

import re

from squeezebert_mobile.errors import EnvironmentFault

DISTRIBUTION = "squeezebert-mobile"


def require(extra: str) -> None:
    """Raise EnvironmentFault for the first package of ``extra`` that is not installed."""
    import importlib.metadata  # a tenth of the time of --help, which needs none of it

    for line in importlib.metadata.requires(DISTRIBUTION) or ():
        named = re.match(rf"([\w.-]+).*extra == ['\"]{extra}['\"]", line)
        if named is None:
            continue
        try:
            importlib.metadata.distribution(named[1])
        except importlib.metadata.PackageNotFoundError:
            fix = f"pip install '{DISTRIBUTION}[{extra}]'"
            raise EnvironmentFault(named[1], "is not installed", fix=fix) from None
