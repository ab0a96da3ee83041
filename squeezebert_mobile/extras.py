"""Packages that only some commands need: asked for before the work starts, not when its result is due."""

import re
import shlex

from squeezebert_mobile.errors import EnvironmentFault

DISTRIBUTION = "squeezebert-mobile"
_REQUIREMENT = re.compile(r"([\w.-]+)([^;\s]*)(?:.*extra == ['\"](\w+)['\"])?.*")


def require(extra: str) -> None:
    """Raise EnvironmentFault for the first package of ``extra`` that is not installed."""
    import importlib.metadata  # a tenth of the time of --help, which needs none of it

    missing = []
    for name, _, needed_by in _requirements():
        try:
            importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            missing += [name] if needed_by == extra else []
    if missing:
        raise EnvironmentFault(missing[0], "is not installed", fix=install(*missing))


def install(*packages: str) -> str:
    """How to install packages, in the versions that are known to work: in a checkout and anywhere else.

    This package is on no index, so that its extras cannot be asked for by its name.
    """
    versions = {name: version for name, version, _ in _requirements()}
    named = " ".join(shlex.quote(name + versions.get(name, "")) for name in packages)
    return f"make install in the checkout, or pip install {named}"


def _requirements() -> list[tuple[str, str, str | None]]:
    """Name, versions and extra of every package that the installed metadata ask for."""
    import importlib.metadata

    lines = importlib.metadata.requires(DISTRIBUTION) or ()
    return [(match[1], match[2], match[3]) for line in lines if (match := _REQUIREMENT.fullmatch(line))]
