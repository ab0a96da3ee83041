"""Estimated cycles of a file by operator."""

import shutil
from pathlib import Path

import pytest
from arm_runs import require_llvm, require_qemu
from cycle_runs import ESTIMATE, PROGRAM, RUN

from squeezebert_mobile.benchmarks.lab import arm_machine, cycles, mca
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError


def test_a_row_names_the_operators_that_take_most() -> None:
    assert cycles.cells(ESTIMATE) == ("cortex-a76", "ours", "128", "3.0", "2.0", "2.5", "QLinearConv 75%, Add 24%")
    assert cycles.cells(PROGRAM)[-2:] == ("–", "–")


def test_the_method_stands_beside_every_table() -> None:
    for written in (cycles.text(RUN), cycles.markdown(RUN)):
        assert "-10%" in written
        assert "QLinearConv 75%" in written


def test_a_run_in_parts_is_kept_as_one(tmp_path: Path) -> None:
    path = tmp_path / "cycles.json"
    cycles.write(path, RUN)
    again = ESTIMATE.model_copy(update={"cycles": 5})
    short = ESTIMATE.model_copy(update={"tokens": 20})
    cycles.write(path, RUN.model_copy(update={"estimates": (short, again)}))
    assert cycles.read(path).estimates == (again, short, PROGRAM)
    path.write_text("{}")
    with pytest.raises(IntegrityError, match="is not a run of cycles"):
        cycles.read(path)


def test_without_a_compiler_there_is_nothing_to_trace_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mca, "version", lambda: "19")
    monkeypatch.setattr(arm_machine, "set_up", lambda _: arm_machine.Machine(Path(), None))
    with pytest.raises(EnvironmentFault, match="apt-get install gcc"):
        cycles.measure({"x": tmp_path / "x.onnx"})


@pytest.mark.slow
def test_a_file_is_estimated_by_operator_and_the_method_is_tried_here(static_file: Path) -> None:
    require_qemu()
    require_llvm()
    if arm_machine.set_up(("onnx",)).plugin is None:
        pytest.skip("needs a C compiler to trace instructions: apt-get install gcc")
    found = cycles.measure({"tiny": static_file}, cpus=CPUS[1:2], lengths=(8,))
    (estimate,) = found.estimates
    assert {"QLinearConv", "InstanceNormalization"} <= {each.operator for each in estimate.operators}
    assert estimate.cycles == sum(each.cycles for each in estimate.operators)
    assert estimate.bounded is not None and estimate.bounded >= estimate.cycles
    # At most four instructions a cycle; a tenth of one, and the trace is of something else.
    assert estimate.instructions / 4 <= estimate.cycles < 10 * estimate.instructions
    assert [trial.kernel for trial in found.trials][:2] == ["norm, scalar", "norm, vector"]
    assert all(trial.predicted > 0 for trial in found.trials)


@pytest.mark.slow
def test_a_program_is_estimated_as_a_whole(tiny_bundle: Path) -> None:
    require_qemu()
    require_llvm()
    if shutil.which("aarch64-linux-gnu-ld") is None:
        pytest.skip("needs a linker for ARM: apt-get install binutils-aarch64-linux-gnu")
    if arm_machine.set_up(("executorch",)).plugin is None:
        pytest.skip("needs a C compiler to trace instructions: apt-get install gcc")
    program = tiny_bundle / "executorch/model_xnnpack_fp32.pte"
    (estimate,) = cycles.measure({"tiny": program}, cpus=CPUS[1:2], lengths=(8,)).estimates
    assert (estimate.operators, estimate.bounded) == ((), None)
    assert estimate.instructions / 4 <= estimate.cycles < 10 * estimate.instructions
