"""The pins of requirements.txt against the advisories of tests/data/advisories.toml: `make audit`.

    python tests/helpers/audit.py

Ends with 1 where a pinned version is affected. It needs no network, and so knows nothing that was published later.
"""

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checkout import ROOT
from packaging.specifiers import SpecifierSet
from sbom import pins

ADVISORIES = ROOT / "tests/data/advisories.toml"


@dataclass(frozen=True)
class Advisory:
    """A published fault, and the versions of a package that have it."""

    id: str
    package: str
    affected: str
    what: str

    def applies(self, versions: Mapping[str, str]) -> bool:
        """True where the package is pinned to a version that has the fault."""
        version = versions.get(self.package)
        return version is not None and SpecifierSet(self.affected).contains(version, prereleases=True)


def advisories() -> list[Advisory]:
    """Those that are kept."""
    return [Advisory(**entry) for entry in tomllib.loads(ADVISORIES.read_text(encoding="utf-8"))["advisory"]]


def faults(known: Iterable[Advisory], versions: Mapping[str, str]) -> list[str]:
    """A line for each advisory that applies."""
    return [
        f"{a.package} {versions[a.package]}: {a.id}, {a.what} (affected {a.affected})"
        for a in known
        if a.applies(versions)
    ]


def main() -> None:
    """Print what applies."""
    known, versions = advisories(), {name: version for name, (version, _) in pins().items()}
    found = faults(known, versions)
    summary = f"{len(versions)} pins, {len(known)} kept advisories, {len(found)} apply"
    sys.stdout.write("\n".join([*found, summary, ""]))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
