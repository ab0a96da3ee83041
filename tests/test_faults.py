"""Every fault that a host must survive, by its number, and the tests that show it."""

import ast
import errno
import fnmatch
import io
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import handmade
import kill
import pytest
import tiny
from checkout import ROOT
from command import assert_error, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from killed import killed_at

from squeezebert_mobile import cli
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.manifest import Manifest
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.tasks import Task

GOLDEN = ROOT / "tests/data/bundle_v1"

# Rows 40, 54 and 55 concern phones. A name that ends in * stands for all tests that begin so.
ROWS: dict[int, tuple[str, ...]] = {
    1: ("checkpoint/test_load.test_row_01_*",),
    2: ("checkpoint/test_load.test_row_02_*",),
    3: ("checkpoint/test_load.test_row_03_*",),
    4: ("checkpoint/test_load.test_row_04_*",),
    5: ("checkpoint/test_load.test_row_05_*",),
    6: ("checkpoint/test_load.test_row_06_*",),
    7: ("checkpoint/test_load.test_row_07_*",),
    8: ("checkpoint/test_load.test_row_08_*",),
    9: ("checkpoint/test_load.test_row_09_*",),
    10: ("checkpoint/test_load.test_row_10_*",),
    11: ("checkpoint/test_load.test_row_11_*",),
    12: ("checkpoint/test_load.test_row_12_*",),
    13: ("checkpoint/test_load.test_row_13_*",),
    14: ("checkpoint/test_load.test_rows_14_and_15_*",),
    15: ("checkpoint/test_load.test_row_15_*",),
    16: ("checkpoint/test_load.test_row_16_*",),
    17: ("checkpoint/test_load.test_row_17_*",),
    18: ("export/test_pipeline.test_swapped_layers_of_one_shape_*",),
    19: ("checkpoint/test_load.test_row_19_*",),
    20: ("checkpoint/test_load.test_row_20_*",),
    21: ("tokenizer/test_tokenizer.test_check_against_allows_spare_rows",),
    22: ("test_config.test_not_strict_json", "test_config.test_missing", "test_config.test_a_hundred_megabytes"),
    23: ("test_config.test_values_out_of_their_range",),
    24: ("test_config.test_embedding_size",),
    25: ("test_config.test_another_model", "test_config.test_custom_code_is_not_imported"),
    26: ("test_config.test_unknown_activation",),
    27: ("test_config.test_labels", "checkpoint/test_load.test_row_27_*"),
    28: (
        "tokenizer/test_tokenizer.test_broken_vocab_names_the_line",
        "tokenizer/test_tokenizer.test_carriage_returns_are_fine",
    ),
    29: ("tokenizer/test_tokenizer.test_contradicting_files_are_refused",),
    30: ("tokenizer/test_tokenizer.test_survives_any_text", "test_cli.test_strange_texts_get_an_answer"),
    31: (
        "test_batch.test_row_31_*",
        "test_cli.test_a_long_text_is_cut_and_says_so",
        "export/test_pipeline.test_a_length_*",
    ),
    32: ("test_batch.test_row_32_*",),
    33: ("test_batch.test_row_33_*",),
    34: ("test_batch.test_row_34_*",),
    35: ("run/test_session.test_row_35_*",),
    36: ("checkpoint/test_hub.test_a_checkpoint_with_its_commit",),
    37: ("run/test_session.test_row_37_*",),
    38: ("run/test_session.test_row_38_*", "run/test_session.test_rows_38_and_49_*"),
    39: ("run/test_session.test_row_39_*",),
    41: ("bundle/test_folder.test_any_damage_*", "bundle/test_folder.test_a_manifest_out_of_order_is_refused"),
    42: ("bundle/test_archive.test_nothing_of_a_bad_archive_is_unpacked",),
    43: (
        "bundle/test_signing.test_every_failed_verification_*",
        "bundle/test_folder.test_a_manifest_out_of_order_is_refused",
    ),
    44: ("test_atomic.test_no_space_for_*", "test_faults.test_row_44_*"),
    45: ("test_atomic.test_what_is_in_the_way_stays", "test_faults.test_row_45_*"),
    46: (
        "test_atomic.test_killed_anywhere_*",
        "test_cli.test_a_signal_ends_*",
        "test_faults.test_row_46_*",
        "run/test_session.test_row_46_*",
    ),
    47: ("test_atomic.test_a_second_run_is_told_who_holds_the_lock", "test_faults.test_row_47_*"),
    48: ("checkpoint/test_load.test_row_48_*",),
    49: ("run/test_session.test_rows_38_and_49_*",),
    50: (
        "run/test_session.test_row_50_*",
        "bundle/test_signing.test_without_the_extra_*",
        "export/xnnpack/test_form.test_another_executorch_*",
    ),
    51: ("export/test_calibration.test_what_is_no_text_*", "export/test_calibration.test_few_texts_are_a_warning"),
    52: (
        "export/ort/test_int8.test_a_constant_*",
        "export/ort/test_int8.test_padding_*",
        "export/test_gates_and_options.test_a_drop_*",
    ),
    53: (
        "export/test_gates.test_each_file_has_to_answer_for_itself",
        "export/test_parity.test_one_value_that_is_not_finite_*",
        "bundle/test_golden_bundles.test_a_model_that_answers_otherwise_*",
    ),
    56: (
        "benchmarks/test_results.test_any_changed_or_missing_byte_*",
        "benchmarks/test_compare.test_nothing_in_common_*",
    ),
    57: ("checkpoint/test_hub.test_row_57_*", "checkpoint/test_hub.test_a_damaged_cache_is_not_used"),
    58: ("test_faults.test_row_58_*", "test_cli.test_output_needs_no_utf8_locale"),
    59: ("test_faults.test_row_59_*", "test_cli.test_a_closed_pipe_is_no_error"),
    60: (
        "export/test_pipeline.test_the_same_input_gives_the_same_bytes_anywhere",
        "bundle/test_archive.test_the_same_bundle_*",
    ),
}


def names_in(module: str) -> list[str]:
    tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if name.startswith("test_")]


def test_every_row_that_concerns_a_host_is_in_the_table() -> None:
    assert sorted(ROWS) == [row for row in range(1, 61) if row not in (40, 54, 55)]


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_each_row_exist(row: int) -> None:
    for name in ROWS[row]:
        module, _, wanted = name.partition(".")
        assert fnmatch.filter(names_in(module), wanted), name


def sound() -> tuple[dict[str, bytes], Manifest]:
    bundle = bundles.read(GOLDEN)
    return {e.path: (GOLDEN / e.path).read_bytes() for e in bundle.manifest.every_file()}, bundle.manifest


def write_bundle(target: Path) -> None:
    with bundles.staged(target, force=True) as stage:
        bundles.fill(stage, *sound())


def write_archive(target: Path) -> None:
    archive.pack(GOLDEN, target, force=True)


def unpack(target: Path) -> None:
    archive.unpack(target.with_name("source.zip"), target, force=True)


WRITERS: dict[str, Callable[[Path], None]] = {"bundle": write_bundle, "archive": write_archive, "unpack": unpack}


def digest_at(target: Path) -> str:
    with archive.opened(target) as bundle:
        return bundle.digest


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path.name != "source.zip")


# Each stops the write of one file of the bundle at its last byte, 0 that of the lock.
LIMITS = sorted({0, *(path.stat().st_size - 1 for path in GOLDEN.rglob("*") if path.is_file())})


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("limit", LIMITS)
def test_row_44_a_file_that_cannot_grow_leaves_nothing(tmp_path: Path, writer: str, limit: int) -> None:
    target = tmp_path / "target"
    write_archive(tmp_path / "source.zip")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(EnvironmentFault, match=r"target: cannot be written: .*; fix: "):
            WRITERS[writer](target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert beside(target) == []


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 16 KiB where this process may mount one, or else writes that fail half-way as on such a disk."""
    disk = tmp_path / "disk"
    disk.mkdir()
    write_bytes = Path.write_bytes

    def fail(self: Path, data: bytes) -> int:
        write_bytes(self, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", disk], capture_output=True)
    if mounted.returncode:
        monkeypatch.setattr(Path, "write_bytes", fail)
    yield disk
    if not mounted.returncode:
        subprocess.run(["umount", disk], check=True)


def test_row_44_a_full_disk(full_disk: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"target: cannot be written: No space left on device; fix: "):
        write_bundle(full_disk / "target")
    assert list(full_disk.iterdir()) == []


def test_row_45_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # Permissions do not bind root; nobody may create a file in /sys.
    disk.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(EnvironmentFault, match=r"target: cannot be written: .*; fix: "):
        write_bundle((disk if os.geteuid() else Path("/sys")) / "target")


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
@pytest.mark.parametrize("writer", WRITERS)
def test_row_46_killed_anywhere_the_target_is_the_old_one_or_the_new(tmp_path: Path, writer: str) -> None:
    """At each twentieth of its disk operations, and at the last ones, where the names change."""
    handmade.write(tmp_path / "old")
    archive.pack(tmp_path / "old", tmp_path / "old.zip")
    old, new = digest_at(tmp_path / "old"), digest_at(GOLDEN)
    points, killed, step = 0, True, 0
    while killed:
        folder = tmp_path / f"{step}"
        folder.mkdir()
        target = folder / "target"
        write_archive(folder / "source.zip")
        if writer == "archive":
            target.write_bytes((tmp_path / "old.zip").read_bytes())
        else:
            archive.unpack(tmp_path / "old.zip", target)
        step += 1 if writer == "archive" else 3
        killed = killed_at(step, lambda target=target: WRITERS[writer](target))  # type: ignore[misc]
        points += killed
        assert digest_at(target) in (old, new)
        WRITERS[writer](target)
        assert digest_at(target) == new
        assert beside(target) == ["target"]
    assert points >= 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_row_46_an_export_killed_at_twenty_points(tmp_path: Path) -> None:
    kills = kill.run(20, tmp_path)
    assert [str(k) for k in kills if not k.survived] == []
    assert {k.bundle for k in kills} == {"old", "new"}
    assert {k.archive for k in kills} == {"old", "new"}


@pytest.mark.slow
def test_row_47_of_two_exports_on_one_target_the_second_is_told(tmp_path: Path) -> None:
    target, lock = tmp_path / "bundle", tmp_path / ".bundle.lock"
    handmade.write(target)
    old = (target / "bundle.json").read_bytes()
    model = tiny.checkpoint(tmp_path / "model", Task.TEXT_CLASSIFICATION)
    options = ("export", "-m", model, "-o", target, "--runtime", "onnx", "--precision", "fp32", "--force")
    command = [sys.executable, "-m", "squeezebert_mobile", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as first:
        while first.poll() is None and not (lock.exists() and lock.read_text()):
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # or it might end while the second is still importing
        second, found = run(*options), (target / "bundle.json").read_bytes()
        first.send_signal(signal.SIGCONT)
        assert found == old
        assert_error(second, 7, f"bundle: is locked by pid {first.pid}")
        first.communicate()
        assert first.returncode == 0
    verified = run("verify", target)
    assert verified.returncode == 0, verified.stderr
    assert beside(target) == ["bundle", "model"]


@pytest.mark.parametrize("name", ["with spaces", "émoji 😀", "-dash", "x" * 200, "a'b\"c;$(d)"])
def test_row_58_unusual_paths_work(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    write_bundle(target)
    assert digest_at(target) == digest_at(GOLDEN)


def test_row_58_a_path_that_is_too_long_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"xxx: cannot be written: File name too long; fix: "):
        write_bundle(tmp_path / ("x" * 256))


def test_row_58_a_temporary_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    write_archive(tmp_path / "bundle.zip")
    done = run("info", tmp_path / "bundle.zip", TMPDIR="/nowhere", HOME="/nowhere")
    assert done.returncode in (0, 7), done.stderr


def test_row_59_json_is_one_value_and_errors_go_elsewhere(tmp_path: Path) -> None:
    done = run("info", GOLDEN, "--json", TERM="xterm-256color", FORCE_COLOR="1")
    assert json.loads(done.stdout)["facts"]["digest"] == digest_at(GOLDEN)
    assert_error(run("info", tmp_path, "--json"), 3, str(tmp_path))


WORDS = st.sampled_from(
    ["verify", "predict", "info", "export", "compare", "--json", "--run", "--no-run", "--help", "--debug",
     "--version", "--runtime", "onnx", "--precision", "int8", "--threads", "0", "-1", "--top-k", "--option", "--file",
     "-", "--", "-m", "--public-key", "--archive", "", " ", "\x00", "😀", "/nowhere", "/nowhere/x.zip"]
)  # fmt: skip


@given(arguments=st.lists(st.one_of(WORDS, st.text(max_size=8)), max_size=6))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_arguments_make_the_command_crash(arguments: list[str]) -> None:
    stdin, argv, stderr = sys.stdin, sys.argv, sys.stderr
    sys.argv, sys.stdin, sys.stderr = ["squeezebert-mobile", *arguments], io.TextIOWrapper(io.BytesIO()), io.StringIO()
    try:
        with pytest.raises(SystemExit) as caught:
            cli.main()
        said = sys.stderr.getvalue()
    finally:
        sys.stdin, sys.argv, sys.stderr = stdin, argv, stderr
    assert caught.value.code in (0, 2, 3, 4, 7, None)
    if caught.value.code:
        assert said.count("error: ") == 1
        assert "; fix: " in said
