"""A phone as a benchmark device: the real adb client, a phone on loopback, and the app's own Java as its benchmark."""

import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from android_tools import load
from command import run
from fake_adbd import FakePhone, adb_server

from squeezebert_mobile.benchmarks import phones, results
from squeezebert_mobile.benchmarks.phones import Adb
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError, UsageError

java_and_python = load("java_and_python")

PROTOCOL = Protocol(tokens=8, warmup=1, min_runs=12, min_seconds=0)
PHONE_ROOT, RUNS = phones.ROOT.lstrip("/"), phones.RUNS.lstrip("/")

pytestmark = pytest.mark.slow


def script(phone: FakePhone, name: str, body: str) -> None:
    path = phone.root / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePhone]:
    if shutil.which("adb") is None:
        pytest.skip("needs adb: install Debian's package adb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(phones, "_POLL_SECONDS", 0.1)
    with adb_server(tmp_path / "home", port), FakePhone(tmp_path) as made:
        script(made, "getprop", "case $1 in *sdk) echo 34;; *abilist) echo arm64-v8a,armeabi-v7a;; *) echo Fake;; esac")
        script(made, "pm", f"echo package:/data/app/{phones.PACKAGE}/base.apk")
        script(made, "pidof", 'cat "$PHONE/pid" 2>/dev/null')
        script(made, "logcat", "echo FATAL EXCEPTION: pool-1-thread-1; echo java.lang.OutOfMemoryError")
        script(made, "am", 'echo 42 > "$PHONE/pid"; echo Status: ok')
        subprocess.run(["adb", "connect", made.serial], capture_output=True, check=True)
        yield made


@pytest.fixture(scope="session")
def class_path() -> str:
    """The Java core, its engine and ONNX Runtime, compiled by Maven."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        pytest.skip("needs Maven and Java 17")
    return java_and_python.class_path()


@pytest.fixture
def opened(tiny_bundle: Path) -> Bundle:
    return bundles.read(tiny_bundle)


# What `am start` does on the phone: the extras become the arguments of the app's benchmark.
AM = """
set -- "$@"
arguments=""
while [ $# -gt 0 ]; do
  case $1 in --es|--ei) arguments="$arguments $2=$3"; shift 3;; *) shift;; esac
done
(java -cp "{class_path}" org.squeezebert.demo.desktop.RunBenchmark "$PHONE/{root}" $arguments > "$PHONE/app.log" 2>&1
 rm -f "$PHONE/pid") &
echo $! > "$PHONE/pid"
echo Status: ok
"""


def measure(phone: FakePhone, bundle: Bundle) -> Result:
    return phones.measure(Adb.connect(phone.serial), bundle, bundle.artifact("onnx", "fp32"), PROTOCOL)


def test_a_phone_is_measured_from_the_host_to_the_engine(phone: FakePhone, opened: Bundle, class_path: str) -> None:
    script(phone, "am", AM.format(class_path=class_path, root=PHONE_ROOT))
    fractions: list[float] = []
    artifact = opened.artifact("onnx", "fp32")
    result = phones.measure(Adb.connect(phone.serial), opened, artifact, PROTOCOL, fractions.append)
    case = result.cases[0]
    assert (case.runtime, case.precision, case.file_sha256) == ("onnx", "fp32", artifact.sha256)
    assert case.runtime_version == "1.29.0" and case.cold is not None and case.cold.first_ns > 0
    assert len(result.latencies(case.name)) == PROTOCOL.min_runs
    assert all(latency > 0 for latency in result.latencies(case.name))
    assert fractions[-1] == 1.0
    assert result.conditions.battery_percent == 80 and result.conditions.charging is False
    assert not (phone.root / RUNS).exists(), "the phone is left clean"


def test_the_command_measures_a_phone_and_prints_its_table(
    phone: FakePhone, opened: Bundle, class_path: str, tmp_path: Path
) -> None:
    """Command, adb, the app's Java with real inference, JSON, table."""
    script(phone, "am", AM.format(class_path=class_path, root=PHONE_ROOT))
    kept = tmp_path / "phone.jsonl"
    protocol = ("--tokens", "8", "--warmup", "1", "--min-runs", "12", "--min-seconds", "0")
    chosen = ("--runtime", "onnx", "--precision", "fp32", "--device", f"adb:{phone.serial}")
    done = run("benchmark", opened.folder, *chosen, *protocol, "-o", kept)
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("SqueezeBERT, ONNX, fp32")]
    assert row.split()[-1] == "12"
    found = results.read(kept)
    assert [case.bundle_sha256 for case in found.cases] == [opened.digest]
    assert found.run.environment.device == "unknown JVM"  # a desktop stands in for the phone


def test_all_phones_stand_in_one_table(
    phone: FakePhone, opened: Bundle, class_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At 80 columns a table of two phones is two blocks.
    monkeypatch.setenv("COLUMNS", "120")
    script(phone, "am", AM.format(class_path=class_path, root=PHONE_ROOT))
    other = tmp_path / "other"
    shutil.copytree(phone.root / "bin", other / "bin")
    protocol = ("--tokens", "8", "--warmup", "1", "--min-runs", "12", "--min-seconds", "0")
    with FakePhone(other) as second:
        subprocess.run(["adb", "connect", second.serial], capture_output=True, check=True)
        measure_all = ("--runtime", "onnx", "--device", "adb:all", *protocol, "-o", tmp_path / "r.jsonl")
        done = run("benchmark", opened.folder, *measure_all)
        listed = run("devices")
        assert phone.serial in listed.stdout and second.serial in listed.stdout
    assert done.returncode == 0, done.stderr
    header = next(line for line in done.stdout.splitlines() if line.startswith("p50 ms"))
    assert header.count("unknown JVM") == 2, done.stdout
    assert len(list(tmp_path.glob("r-*.jsonl"))) == 2


def test_a_bundle_is_pushed_once(phone: FakePhone, opened: Bundle) -> None:
    connected = Adb.connect(phone.serial)
    (phone.root / PHONE_ROOT / "pushing").mkdir(parents=True)
    assert phones.push(connected, opened)
    target = phone.root / PHONE_ROOT / "pushed" / opened.digest
    assert bundles.read(target).digest == opened.digest
    assert not (phone.root / PHONE_ROOT / "pushing").exists()
    assert not phones.push(connected, opened)
    (target / "vocab.txt").write_bytes(b"cut")
    assert phones.push(connected, opened), "a damaged copy is replaced"


def test_a_full_phone_is_named_and_left_clean(phone: FakePhone, opened: Bundle) -> None:
    (phone.root / "sdcard").mkdir()
    (phone.root / "sdcard/full").touch()
    with pytest.raises(EnvironmentFault, match="has no space left; fix: free storage"):
        phones.push(Adb.connect(phone.serial), opened)
    assert not (phone.root / PHONE_ROOT / "pushing").exists()


def test_a_crash_shows_the_log_of_the_process(phone: FakePhone, opened: Bundle) -> None:
    script(phone, "pidof", 'cat "$PHONE/pid" 2>/dev/null; rm -f "$PHONE/pid"')  # seen once, then dead
    script(phone, "logcat", 'echo "logcat $*"; echo FATAL EXCEPTION: pool-1-thread-1; echo java.lang.OutOfMemoryError')
    with pytest.raises(
        EnvironmentFault, match=r"measured: .*--pid=42 .*FATAL EXCEPTION.*OutOfMemoryError; fix: adb -s"
    ):
        measure(phone, opened)


def test_a_crash_at_the_start_shows_the_crash_log(phone: FakePhone, opened: Bundle) -> None:
    script(phone, "am", "echo Status: ok")
    script(phone, "logcat", 'echo "logcat $*"')
    with pytest.raises(EnvironmentFault, match="died while it measured: logcat -d -b crash -t 40"):
        measure(phone, opened)


def test_what_the_app_refuses_is_passed_on(phone: FakePhone, opened: Bundle) -> None:
    body = f"""
while [ $# -gt 0 ]; do [ "$2" = run_id ] && id=$3; shift; done
mkdir -p "$PHONE/{RUNS}"
printf '{{"run_id":"%s","state":"failed","fraction":0,"error":"memory: is too small"}}' $id \\
  > "$PHONE/{RUNS}/$id.status.json"
echo 42 > "$PHONE/pid"
"""
    script(phone, "am", body)
    with pytest.raises(EnvironmentFault, match="the app says: memory: is too small"):
        measure(phone, opened)


@pytest.mark.parametrize("reply", ["", "not json", '{"schema_version":1,"run_id":"another"}'])
def test_a_foreign_reply_is_never_merged(phone: FakePhone, opened: Bundle, reply: str) -> None:
    body = f"""
while [ $# -gt 0 ]; do [ "$2" = run_id ] && id=$3; shift; done
mkdir -p "$PHONE/{RUNS}"
printf '%s' '{reply}' > "$PHONE/{RUNS}/$id.json"
printf '{{"run_id":"%s","state":"done","fraction":1.0,"error":null}}' $id > "$PHONE/{RUNS}/$id.status.json"
"""
    script(phone, "am", body)
    with pytest.raises(IntegrityError, match="is not a result"):
        measure(phone, opened)


def test_an_unplugged_phone_is_an_error_with_the_next_step(phone: FakePhone, opened: Bundle) -> None:
    connected = Adb.connect(phone.serial)
    phones.push(connected, opened)
    phone.unplug()
    with pytest.raises(EnvironmentFault, match=r"was lost: .*; fix: plug it in again"):
        phones.push(connected, opened)


def test_a_phone_that_is_unplugged_while_it_measures_is_cleaned_at_the_next_run(
    phone: FakePhone, opened: Bundle, class_path: str
) -> None:
    body = f"""
while [ $# -gt 0 ]; do [ "$2" = run_id ] && id=$3; shift; done
mkdir -p "$PHONE/{RUNS}"
printf '{{"run_id":"%s","state":"running","fraction":0.5,"error":null}}' $id > "$PHONE/{RUNS}/$id.status.json"
echo 42 > "$PHONE/pid"
"""
    script(phone, "am", body)
    with pytest.raises(EnvironmentFault, match=r"was lost: .*; fix: plug it in again"):
        phones.measure(
            Adb.connect(phone.serial), opened, opened.artifact("onnx", "fp32"), PROTOCOL, lambda _: phone.unplug()
        )
    (left,) = (phone.root / RUNS).iterdir()
    script(phone, "am", AM.format(class_path=class_path, root=PHONE_ROOT))
    with FakePhone(phone.root) as again:
        subprocess.run(["adb", "connect", again.serial], capture_output=True, check=True)
        assert measure(again, opened).samples
    assert not left.exists()


def test_an_old_phone_a_foreign_abi_and_a_missing_app_are_refused(phone: FakePhone, opened: Bundle) -> None:
    script(phone, "pm", "exit 1")
    with pytest.raises(EnvironmentFault, match=f"lacks the app {phones.PACKAGE}"):
        measure(phone, opened)
    script(phone, "getprop", "case $1 in *sdk) echo 34;; *) echo x86;; esac")
    with pytest.raises(EnvironmentFault, match="has no ABI of the app"):
        measure(phone, opened)
    script(phone, "getprop", "echo 25")
    with pytest.raises(EnvironmentFault, match=r"is too old .found API 25, expected API 26"):
        measure(phone, opened)


def test_a_protocol_that_a_phone_does_not_run_is_refused(phone: FakePhone, opened: Bundle) -> None:
    artifact = opened.artifact("onnx", "fp32")
    for protocol in (Protocol(batch=2), Protocol(tokens=None, scenario="natural-length")):
        with pytest.raises(UsageError, match="--device: measures single texts"):
            phones.measure(Adb.connect(phone.serial), opened, artifact, protocol)


def fake_client(folder: Path, monkeypatch: pytest.MonkeyPatch, listing: str) -> None:
    folder.mkdir(exist_ok=True)
    client = folder / "adb"
    client.write_text(f"#!{sys.executable}\nprint('List of devices attached')\nprint({listing!r})\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])


@pytest.mark.parametrize(
    ("listing", "message"),
    [
        ("", "adb: sees no device; fix: plug in a phone"),
        ("A unauthorized usb:1", "A: is not ready .found unauthorized, expected device.; fix: unlock the device"),
        ("A offline", "found offline.*plug the device in again"),
        ("A no permissions; see [http://example.org]", "found no permissions.*udev rule"),
    ],
)
def test_devices_that_are_not_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listing: str, message: str
) -> None:
    fake_client(tmp_path / "client", monkeypatch, listing)
    with pytest.raises(EnvironmentFault, match=message):
        phones.ready()


def test_devices_are_listed_and_chosen_by_serial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_client(tmp_path / "client", monkeypatch, "A device product:x model:Pixel_3 device:y\nB device")
    assert [(device.serial, device.model) for device in phones.listed()] == [("A", "Pixel_3"), ("B", None)]
    assert Adb.connect("B").serial == "B" and len(phones.ready()) == 2
    with pytest.raises(EnvironmentFault, match=r"C: is not attached .found A, B"):
        Adb.connect("C")


def test_a_machine_without_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="adb: is not installed; fix: install Android's platform-tools"):
        phones.ready()


def test_java_answers_as_python_does(tiny_bundle: Path, class_path: str, tmp_path: Path) -> None:
    """To the bit where both have one version of the runtime: tokenizer, call and arithmetic are the same then."""
    assert class_path
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("A quiet film.\n\nCrème brûlée, 我爱电影 😀\n" + "good " * 60 + "\n", encoding="utf-8")
    found = java_and_python.compare(tiny_bundle, sentences, rounds=1)
    artifacts = {a.path for a in bundles.read(tiny_bundle).manifest.artifacts if a.runtime == "onnx"}
    assert {one.artifact for one in found} == artifacts
    for one in found:
        assert (one.sentences, one.ids_equal) == (4, 4)
        assert one.max_abs <= (0.0 if one.against == java_and_python.SAME else 0.1)
        assert one.java_ms > 0 and one.python_ms > 0
