"""Huge pages for a process that runs a model, because one inference reads every weight once.

An int8 SqueezeBERT's weights are 26 MB, 6,500 pages of 4 KB and more than a core keeps the addresses of: in pages of
2 MB the same file took 0.98x of the time for 128 tokens and 0.91x for 20 (ONNX Runtime on Zen 4; export/NOTES.md).
"""

from collections.abc import Mapping
from pathlib import Path

# Linux lists what it can be set to, with what it is set to in brackets.
SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_VARIABLE = "GLIBC_TUNABLES"
# glibc 2.35 and newer: malloc asks for huge pages with madvise(2), which Linux grants unless it is set to "never".
# Source: the manual of the GNU C Library, Memory Allocation Tunables. Other C libraries do not read the variable.
_TUNABLE = "glibc.malloc.hugetlb"


def setting() -> str | None:
    """Who gets huge pages here: "always" (all), "madvise" (who asks) or "never"; None where nothing says so."""
    try:
        return SETTING.read_text().partition("[")[2].partition("]")[0]
    except OSError:
        return None


def with_huge_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for a new process, whose memory is to be in huge pages unless it says otherwise already."""
    tunables = environment.get(_VARIABLE, "")
    if _TUNABLE in tunables:
        return dict(environment)
    return {**environment, _VARIABLE: f"{tunables}:{_TUNABLE}=1".lstrip(":")}
