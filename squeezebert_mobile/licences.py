"""The licence of a model: an SPDX expression, or one of the names that only the hub has."""

import re
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from squeezebert_mobile.errors import UsageError

UNKNOWN = "unknown"
MAX_LENGTH = 255
# Of a licence that is on no list, before its name.
_NAMED = "LicenseRef-"
_CARD = "README.md"
_MAX_FRONT_MATTER = 64 << 10
_FRONT_MATTER = re.compile(r"---\r?\n(.*?)\n---", re.DOTALL)
# The hub's list (huggingface.co/docs/hub/repositories-licenses): first what SPDX does not have, then what it has.
_OF_THE_HUB = frozenset([
    "unknown", "apple-amlr", "apple-ascl", "bigcode-openrail-m", "bigscience-bloom-rail-1.0",
    "bigscience-openrail-m", "bsd", "c-uda", "cc", "creativeml-openrail-m", "deepfloyd-if-license",
    "fair-noncommercial-research-license", "gemma", "gfdl", "gpl", "grok2-community", "h-research",
    "intel-research", "lgpl", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "lgpl-lr", "odbl",
    "openmdw-1.0", "openrail", "openrail++", "pddl",
])  # fmt: skip
_OF_BOTH = frozenset([
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear",
    "bsl-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0",
    "ecl-2.0", "epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1",
    "lgpl-3.0", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odc-by-1.0", "ofl-1.1", "osl-3.0", "postgresql",
    "unlicense", "wtfpl", "zlib",
])  # fmt: skip


def known(text: str) -> str | None:
    """The licence that ``text`` names, in the case of its list; None where no list has it.

    LicenseRef-NAME, as in SPDX, is one that is on no list; the hub's "other" says nothing without a name.
    """
    if text.lower() in _OF_THE_HUB:
        return text.lower()
    try:
        found = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None
    return found if len(found) <= MAX_LENGTH else None


def require_known(text: str) -> str:
    """The licence that ``text`` names. Raises UsageError for what `known` does not know."""
    found = known(text)
    if found is None:
        expected = "an SPDX identifier or expression such as Apache-2.0, or an id of the hub such as bsd"
        fix = "write it as on spdx.org/licenses; one that is on no list is LicenseRef-NAME"
        raise UsageError("--license", "is not known", found=text, expected=expected, fix=fix)
    return found


def declared(folder: Path) -> str:
    """What the model card of a checkpoint's folder says, `UNKNOWN` where it says nothing that is on a list.

    Of the card only the front matter is looked at, and of it only lines that hold one plain value.
    """
    card = folder / _CARD
    if not card.is_file():
        return UNKNOWN
    with card.open("rb") as file:
        text = file.read(_MAX_FRONT_MATTER).decode("utf-8", errors="replace")
    matter = _FRONT_MATTER.match(text)
    licence = _value("license", matter[1]) if matter else ""
    if licence.lower() == "other" and matter:
        licence = _NAMED + re.sub(r"[^A-Za-z0-9.]+", "-", _value("license_name", matter[1]))
    return known(licence) or UNKNOWN


def front_matter(licence: str) -> list[str]:
    """The lines by which the hub finds a licence."""
    if licence.lower() in _OF_THE_HUB | _OF_BOTH:
        return [f"license: {licence.lower()}"]
    return ["license: other", f'license_name: "{licence.removeprefix(_NAMED)}"']


def cyclonedx(licence: str) -> list[dict[str, object]]:
    """The ``licenses`` of a component in a CycloneDX document, which does not know the names of the hub."""
    if licence == UNKNOWN:
        return []
    return [{"license": {"name": licence}} if licence in _OF_THE_HUB else {"expression": licence}]


def _value(key: str, matter: str) -> str:
    found = re.search(rf"^{key}:[ \t]*(['\"]?)([^'\"#\n]*?)\1[ \t\r]*(?:#.*)?$", matter, re.MULTILINE)
    return found[2].strip() if found else ""
