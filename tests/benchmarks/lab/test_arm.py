"""A bundle on emulated 64-bit ARM."""

import shutil
from importlib import metadata
from pathlib import Path

import pytest
from arm_runs import ANSWER, PEER, RUN, WRONG, require_qemu

from squeezebert_mobile.benchmarks.lab import arm, arm_machine
from squeezebert_mobile.benchmarks.lab.arm import ArmOptions
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS, Cpu, write_stubs
from squeezebert_mobile.benchmarks.peers import Peer, PeerModel
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError, UsageError


def test_a_machine_without_qemu_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="qemu-aarch64: is not installed; fix: apt-get install qemu-user"):
        arm_machine.set_up(("onnx",))


def test_the_table_says_where_answers_differ() -> None:
    lines = arm.text(RUN).splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["yes", "NO", "–"]
    assert [line.split()[-2:] for line in lines[-3:]] == [["2.5", "0.4"], ["–", "–"], ["9.0", "–"]]


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    arm.write(tmp_path / "arm.json", RUN)
    assert arm.read(tmp_path / "arm.json") == RUN
    (tmp_path / "arm.json").write_text("{}")
    with pytest.raises(IntegrityError, match="is not a run on ARM"):
        arm.read(tmp_path / "arm.json")


def test_a_run_in_parts_is_kept_as_one(tmp_path: Path) -> None:
    path = tmp_path / "arm.json"
    again = ANSWER.model_copy(update={"texts": 35})
    last = WRONG.model_copy(update={"cpu": CPUS[2].name})
    for answers in ((PEER, ANSWER), (last, again)):
        arm.write(path, RUN.model_copy(update={"answers": answers}))
    assert arm.read(path).answers == (again, last, PEER)
    with pytest.raises(UsageError, match="another bundle"):
        arm.write(path, RUN.model_copy(update={"bundle_sha256": "1" * 64}))


def test_a_core_is_shown_as_linux_shows_it() -> None:
    shown = Cpu("cortex-a76", 0x414FD0B1, "neoverse-n1").cpuinfo()
    assert "CPU implementer\t: 0x41\n" in shown
    assert "CPU part\t: 0xd0b\n" in shown
    assert shown.endswith("CPU revision\t: 1\n\n")


def test_no_core_has_vectors_that_no_phone_has() -> None:
    assert all("sve-max-vq=1" in cpu.name for cpu in CPUS if cpu.name.startswith("max"))


def test_a_stub_has_the_names_and_versions_that_are_asked_for(tmp_path: Path) -> None:
    printed = """
 0x0000000000000001 (NEEDED)             Shared library: [libcudart.so.13]
 0x0000000000000001 (NEEDED)             Shared library: [libnvshmem_host.so.3]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
     3: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND cudaFree@libcudart.so.13 (2)
     4: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND nvshmem_init@NVSHMEM (3)
     5: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND cuInit
     6: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND malloc@GLIBC_2.17 (4)
"""
    (tmp_path / "libtorch.so").touch()
    written: dict[str, str] = {}

    def call(command: list[str]) -> str:
        if command[0].endswith("readelf"):
            return printed
        if command[0].endswith("-as"):
            written["source"] = Path(command[1]).read_text()
        else:
            versions = Path(command[command.index("--version-script") + 1]).read_text()
            written[command[command.index("-soname") + 1]] = f"{written['source']}{versions}"
        return ""

    write_stubs(tmp_path, tmp_path / "stubs", call)
    assert set(written) == {"source", "libcudart.so.13", "libnvshmem_host.so.3"}
    assert "cuInit:" in written["libcudart.so.13"]
    assert "libcudart.so.13 { global: cudaFree; };" in written["libcudart.so.13"]
    assert "NVSHMEM { global: nvshmem_init; };" in written["libnvshmem_host.so.3"]
    assert "malloc" not in str(written)


@pytest.mark.slow
def test_every_onnx_file_answers_on_arm_as_the_reference(tiny_onnx_bundle: Path) -> None:
    require_qemu()
    small = PeerModel(Peer.BERT_BASE, layers=2, hidden=64)
    found = arm.measure(ArmOptions(tiny_onnx_bundle, tokens=(16, 4), peers=(small,)))
    artifacts = len(bundles.read(tiny_onnx_bundle).manifest.artifacts)
    ours = [answer for answer in found.answers if answer.texts is not None]
    assert [answer.cpu for answer in ours] == [cpu.name for cpu in CPUS for _ in range(artifacts)]
    assert all(answer.holds for answer in ours)
    for answer in found.answers:
        assert [count.tokens for count in answer.counts] == [16, 4]
        assert answer.counts[0].instructions > answer.counts[1].instructions > 10_000
    peers = [answer.name for answer in found.answers if answer.texts is None]
    assert "BERT-base, ONNX Runtime, int8, quantize_dynamic" in peers


def test_packages_of_another_version_are_fetched_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = arm_machine._packages("onnx"), arm_machine._packages("executorch")
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "99.0" if name == "packaging" else real(name))
    after = arm_machine._packages("onnx"), arm_machine._packages("executorch")
    assert not set(before) & set(after)
    assert [name.rpartition("-")[0] for name in before] == [name.rpartition("-")[0] for name in after]


@pytest.mark.slow
def test_a_program_for_executorch_answers_on_arm_as_the_reference(tiny_bundle: Path) -> None:
    require_qemu()
    if shutil.which("aarch64-linux-gnu-ld") is None:
        pytest.skip("needs a linker for ARM: apt-get install binutils-aarch64-linux-gnu")
    options = ArmOptions(tiny_bundle, cpus=CPUS[1:2], runtimes=("executorch",), tokens=(16,), golden_tokens=20)
    (answer,) = arm.measure(options).answers
    assert answer.holds
    assert answer.counts[0].instructions > 10_000


def test_no_golden_text_left_is_a_mistake(tiny_bundle: Path) -> None:
    with pytest.raises(UsageError, match="--golden-tokens"):
        arm._golden(bundles.read(tiny_bundle), 0)
