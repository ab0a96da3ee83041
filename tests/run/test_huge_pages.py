"""Children that run a model ask for huge pages, get them where there are some, and a user's own settings stay."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from squeezebert_mobile import doctor
from squeezebert_mobile.run import huge_pages
from squeezebert_mobile.run.huge_pages import with_huge_pages

ASKED = "glibc.malloc.hugetlb=1"
# Megabytes as a model's weights are; then the kilobytes of this process that lie in huge pages.
ALLOCATE = """
weights = bytearray(64 << 20)
print(open("/proc/self/smaps_rollup").read().partition("AnonHugePages:")[2].split()[0])
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ASKED),
        ({"GLIBC_TUNABLES": "glibc.malloc.check=3"}, f"glibc.malloc.check=3:{ASKED}"),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, "glibc.malloc.hugetlb=0"),
    ],
)
def test_a_users_own_tunables_stay(given, expected):
    assert with_huge_pages({"PATH": "x", **given}) == {"PATH": "x", "GLIBC_TUNABLES": expected}


def _granted() -> bool:
    """Whether this machine has huge pages for those who ask, and says who has them."""
    library, version = platform.libc_ver()
    new_enough = library == "glibc" and tuple(map(int, version.split("."))) >= (2, 35)
    told = Path("/proc/self/smaps_rollup").exists()
    return new_enough and told and huge_pages.setting() in {"always", "madvise"}


@pytest.mark.skipif(not _granted(), reason="needs huge pages: Linux that grants them, and glibc 2.35 or newer")
def test_a_child_that_asks_gets_them():
    child = [sys.executable, "-c", ALLOCATE]
    done = subprocess.run(child, env=with_huge_pages(os.environ), capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 32 << 10


@pytest.mark.parametrize(
    ("text", "works", "advice"),
    [
        ("always [madvise] never\n", True, "for short texts in less time"),
        ("always madvise [never]\n", False, "for short texts in less time: as root, echo madvise > {}"),
    ],
)
def test_doctor_says_who_gets_them(text, works, advice, tmp_path, monkeypatch):
    setting = tmp_path / "enabled"
    setting.write_text(text)
    monkeypatch.setattr(huge_pages, "SETTING", setting)
    (check,) = doctor._huge_pages()
    assert check.name == "huge pages"
    assert (check.works, check.needed, check.advice) == (works, False, advice.format(setting))


def test_elsewhere_there_is_nothing_to_say(tmp_path, monkeypatch):
    monkeypatch.setattr(huge_pages, "SETTING", tmp_path / "none")
    assert huge_pages.setting() is None
    assert list(doctor._huge_pages()) == []
