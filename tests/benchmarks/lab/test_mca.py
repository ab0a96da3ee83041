"""Executed instructions scheduled by LLVM."""

from pathlib import Path

import pytest
from arm_runs import require_llvm

from squeezebert_mobile.benchmarks.lab import mca
from squeezebert_mobile.benchmarks.lab.mca import Section, Target
from squeezebert_mobile.errors import EnvironmentFault

A76 = Target("aarch64-linux-gnu", "neoverse-n1")
# fadd of four floats: v0 = v0 + v1, which waits for itself, and v2 = v0 + v1, which does not; a call; nothing known.
CHAINED, FREE, CALL, UNKNOWN = "00d4214e", "02d4214e", "01000094", "ffffffff"
TRACE = """
block 0 aa bb
window 0 0
block 7 cc
window 0 7
section 90
window 7
section 4
"""


def test_a_trace_is_read_by_sections(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(TRACE)
    first, second = mca.read(tmp_path / "trace")
    assert first == Section(90, (("aa", "bb", "aa", "bb"), ("aa", "bb", "cc")))
    # A block is written once and stands for itself in later sections.
    assert second == Section(4, (("cc",),))


def test_a_sample_has_windows_from_all_along_the_section() -> None:
    section = Section(1000, tuple((str(n),) * 10 for n in range(100)))
    sample = section.sample(100)
    assert len(sample) == 100
    assert [int(each) for each in sample[::10]] == list(range(5, 100, 10))
    assert section.sample(10_000) == [instruction for window in section.windows for instruction in window]
    assert Section(3, ()).sample(100) == []


def test_instructions_that_wait_for_each_other_take_longer() -> None:
    require_llvm()
    chained, none, free = mca.cycles([[CHAINED] * 1000, [], [FREE] * 1000], A76)
    assert none is None
    # Two cycles each, one after the other; two in every cycle.
    assert chained == pytest.approx(2, rel=0.05)
    assert free == pytest.approx(0.5, rel=0.05)


def test_a_call_takes_what_a_jump_takes_and_the_unknown_is_left_out() -> None:
    require_llvm()
    plain, calling = mca.cycles([[FREE] * 1000, [FREE, FREE, FREE, CALL, UNKNOWN] * 250], A76)
    assert plain is not None and calling is not None
    assert calling < 1.2 * plain


def test_another_processor_is_scheduled_too() -> None:
    require_llvm()
    (additions,) = mca.cycles([["4883c003"] * 1000], Target("x86_64-linux-gnu", "skylake"))
    assert additions == pytest.approx(1, rel=0.05)


def test_without_llvm_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="llvm-mca-19: is not installed; fix: apt-get install llvm-19"):
        mca.version()
