"""A phone as a benchmark device: the real adb client, a phone on loopback, and the app's own Java as its benchmark."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import schemas
from android_tools import load
from checkout import ROOT
from command import run
from fake_adbd import FakePhone, adb_server
from fake_android import APP, Android, Extras, Reply

from squeezebert_mobile import console
from squeezebert_mobile.benchmarks import adb as adbs
from squeezebert_mobile.benchmarks import candidates, paper, phones, results, tables
from squeezebert_mobile.benchmarks.adb import Adb
from squeezebert_mobile.benchmarks.options import BenchmarkOptions, ReproduceOptions
from squeezebert_mobile.benchmarks.peers import PAPER, Peer, PeerModel
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.published import SETTINGS
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.bundle.folder import Bundle
from squeezebert_mobile.errors import EnvironmentFault, IntegrityError, UsageError
from squeezebert_mobile.steps import Steps
from squeezebert_mobile.tasks import Precision

java_and_python = load("java_and_python")

PROTOCOL = Protocol(tokens=8, warmup=1, min_runs=12, min_seconds=0)
SHARED = f"storage/emulated/0/Android/data/{APP}/files"
Run = Callable[[Android, Extras], None]

pytestmark = pytest.mark.slow


@contextmanager
def plugged(root: Path) -> Iterator[FakePhone]:
    root.mkdir(exist_ok=True)
    with FakePhone(Android(root)) as made:
        subprocess.run(["adb", "connect", made.serial], capture_output=True, check=True)
        yield made


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePhone]:
    if shutil.which("adb") is None:
        pytest.skip("needs adb: install Debian's package adb")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, seconds in (("POLL", 0.1), ("LONGEST_POLL", 0.1), ("OPEN_POLL", 0.05), ("OPEN", 1.0)):
        monkeypatch.setattr(phones, f"_{name}_SECONDS", seconds)
    monkeypatch.setattr(phones, "COOL_DOWN_SECONDS", 0.0)
    with adb_server(tmp_path / "home", port), plugged(tmp_path / "phone") as made:
        yield made


@pytest.fixture
def adb(phone: FakePhone) -> Adb:
    return Adb.connect(phone.serial)


@pytest.fixture(scope="session")
def class_path() -> str:
    """The Java core, its engine and ONNX Runtime, compiled by Maven."""
    if shutil.which("mvn") is None or shutil.which("java") is None:
        pytest.skip("needs Maven and Java 17")
    return java_and_python.class_path()


@pytest.fixture
def opened() -> Bundle:
    """A tiny one with fp32 and int8, which is kept."""
    return bundles.read(ROOT / "tests/data/bundle_v2")


@pytest.fixture
def java(class_path: str) -> Run:
    """The app's own code as the phone's app, with the rights that Android gives to what an app writes."""

    def app(android: Android, extras: Extras) -> None:
        words = [f"{name}={value}" for name, value in extras.items()]
        command = ["java", "-cp", class_path, "org.squeezebert.demo.desktop.RunBenchmark"]
        folder = str(android.app_folder(extras))
        subprocess.run([*command, folder, *words], umask=0o077, capture_output=True, check=False)
        android.process = None

    return app


def says(state: str, fraction: float, error: str | None = None) -> Run:
    """An app that writes one status and lives on."""
    return lambda android, extras: android.report(extras, state, fraction, error)


def files(bundle: Bundle, *precisions: Precision) -> tuple[phones.Target, ...]:
    """The ONNX files of a bundle, by default fp32 alone."""
    return phones.targets([bundle], BenchmarkOptions(runtimes=("onnx",), precisions=precisions or ("fp32",)), print)


def measure(phone: FakePhone, bundle: Bundle) -> Result:
    return phones.measure(Adb.connect(phone.serial), files(bundle), PROTOCOL)


def test_a_phone_is_measured_from_the_host_to_the_engine(phone: FakePhone, opened: Bundle, java: Run) -> None:
    phone.android.app = java
    told: list[str] = []
    artifact = opened.artifact("onnx", "fp32")
    result = phones.measure(Adb.connect(phone.serial), files(opened), PROTOCOL, told.append)
    case = result.cases[0]
    assert (case.runtime, case.precision, case.file_sha256) == ("onnx", "fp32", artifact.sha256)
    assert case.runtime_version == "1.29.0" and case.cold is not None and case.cold.first_ns > 0
    assert len(result.latencies(case.name)) == PROTOCOL.min_runs
    assert all(latency > 0 for latency in result.latencies(case.name))
    assert told[-1] == f"{phone.serial}: SqueezeBERT, ONNX Runtime, fp32, bundle 100%"
    assert result.conditions.battery_percent == 80 and result.conditions.charging is False
    assert not (phone.android.root / SHARED / "runs").exists(), "the phone is left clean"
    assert not phone.android.place(phones.STAGE).exists()


def test_the_files_of_a_bundle_take_turns_on_a_phone(phone: FakePhone, adb: Adb, opened: Bundle, java: Run) -> None:
    phone.android.app = java
    artifacts = opened.artifacts(("onnx",), ())
    result = phones.measure(adb, files(opened, "fp32", "int8"), PROTOCOL)
    assert [case.precision for case in result.cases] == [artifact.precision for artifact in artifacts]
    assert len(artifacts) > 1
    began = sorted(result.samples, key=lambda sample: sample.at_ns)
    taken = list(dict.fromkeys((sample.turn, sample.case) for sample in began))
    names = [case.name for case in result.cases]
    assert taken[: len(names)] == [(0, name) for name in names]
    assert taken[len(names) : 2 * len(names)] == [(1, name) for name in (*names[1:], names[0])], "the order rotates"
    assert result.run.environment.phone is not None


def test_the_command_measures_a_phone_and_prints_its_table(
    phone: FakePhone, opened: Bundle, java: Run, tmp_path: Path
) -> None:
    """Command, adb, the app's Java with real inference, JSON, table."""
    phone.android.app = java
    kept = tmp_path / "phone.jsonl"
    protocol = ("--tokens", "8", "--warmup", "1", "--min-runs", "12", "--min-seconds", "0")
    chosen = ("--runtime", "onnx", "--precision", "fp32", "--device", f"adb:{phone.serial}", "--cool-down", "0")
    done = run("benchmark", opened.folder, *chosen, *protocol, "-o", kept)
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("SqueezeBERT, ONNX, fp32")]
    assert row.split()[-1] == "12"
    found = results.read(kept)
    assert [case.bundle_sha256 for case in found.cases] == [opened.digest]
    assert found.run.environment.device == "unknown JVM"  # a desktop stands in for the phone


def test_all_phones_stand_in_one_table(phone: FakePhone, opened: Bundle, java: Run, tmp_path: Path) -> None:
    phone.android.app = java
    options = BenchmarkOptions(
        bundles=(opened.folder,),
        runtimes=("onnx",),
        tokens=(8,),
        warmup=1,
        min_runs=12,
        min_seconds=0.0,
        output=tmp_path / "r.jsonl",
    )
    with plugged(tmp_path / "other") as second:
        second.android.app = java
        done = phones.benchmark("adb:all", options)
        listed = run("devices")
        assert phone.serial in listed.stdout and second.serial in listed.stdout
    header, *rows = tables.side_by_side([one.result for one in done])
    assert " ".join(header).count("unknown JVM") == 2 and len(rows) == len(opened.artifacts(("onnx",)))
    assert len(list(tmp_path.glob("r-*.jsonl"))) == 2


@pytest.fixture
def small_peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of two layers in the places of BERT-base and the others."""
    small = PeerModel(Peer.BERT_BASE, layers=2, hidden=32, max_length=64)
    monkeypatch.setattr(candidates, "forms", partial(candidates.forms, shrink=small))
    monkeypatch.setattr(paper, "PeerModel", partial(PeerModel, layers=2, hidden=32, max_length=64))
    monkeypatch.setenv("SQUEEZEBERT_MOBILE_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("small_peers")
def test_the_papers_table_is_made_for_a_phone(phone: FakePhone, opened: Bundle, java: Run, tmp_path: Path) -> None:
    """Exports, sealed peers, adb, the app's Java with real inference of all files in turns, the table."""
    phone.android.app = java
    kept, device = tmp_path / "phone.jsonl", f"adb:{phone.serial}"
    options = ReproduceOptions(bundle=opened.folder, device=device, tokens=8, quick=True, cool_down=0.0, output=kept)
    told: list[str] = []
    found = paper.reproduce(options, Steps(lambda _, step: told.append(step.name)))
    result = results.read(kept)
    assert result == found.result and result.run.environment.device == "unknown JVM"
    for setting, chosen in SETTINGS.items():
        assert f"measure {setting}" in told
        names = [case.name for case in result.cases if (case.form, case.precision) in chosen]
        turns = [{sample.turn for sample in result.by_case[name]} for name in names]
        assert len(turns) > 2 and turns[0] == set.intersection(*turns), setting
    models = {(line.setting, line.model) for line in found.lines}
    assert models == {(setting, str(peer)) for setting in SETTINGS for peer in PAPER}
    said = paper.text(found)
    assert "the paper's on a Pixel 3" in said and "unknown JVM" in said and "PyTorch eager" not in said
    pushed = phone.android.root / SHARED / "pushed"
    assert [folder.name for folder in pushed.iterdir()] == [opened.digest], "peers are removed, ours stays"
    schemas.require_valid("reproduce", console.to_json(paper.summarize_reproduction(found)))


@pytest.mark.usefixtures("small_peers")
def test_peers_are_measured_beside_a_bundle(phone: FakePhone, opened: Bundle, java: Run) -> None:
    phone.android.app = java
    options = BenchmarkOptions(
        bundles=(opened.folder,), peers=("minilm-l6",), precisions=("int8",), tokens=(8,), min_runs=12, min_seconds=0.0
    )
    with pytest.raises(UsageError, match=r"measures peers in ONNX Runtime \(found executorch\); fix: add --runtime"):
        phones.benchmark("adb:x", replace(options, runtimes=("executorch",)))
    (done,) = phones.benchmark(f"adb:{phone.serial}", replace(options, runtimes=("onnx",)))
    assert [(case.model, case.form) for case in done.result.cases] == [
        ("SqueezeBERT", "bundle"),
        ("MiniLM-L6", "quantize_dynamic"),
        ("MiniLM-L6", "quantize_dynamic, unsigned"),
    ]


def test_a_release_build_is_measured_through_the_shells_own_entry(phone: FakePhone, opened: Bundle, java: Run) -> None:
    phone.android.debuggable, phone.android.app = False, java
    assert measure(phone, opened).samples


def test_a_bundle_is_pushed_once(phone: FakePhone, adb: Adb, opened: Bundle) -> None:
    app, told = phones.open_app(adb), []
    (phone.android.root / SHARED / "pushing").mkdir(parents=True)
    assert phones.push(app, [opened], told.append)
    target = phone.android.root / SHARED / "pushed" / opened.digest
    assert bundles.read(target).digest == opened.digest
    size = sum(entry.bytes for entry in opened.manifest.every_file()) / 1e6
    assert told[-1] == f"{phone.serial}: pushing, {size:.0f} of {size:.0f} MB" and len(told) > 2
    assert not (phone.android.root / SHARED / "pushing").exists()
    assert not phones.push(app, [opened])
    (target / "vocab.txt").write_bytes(b"cut")
    assert phones.push(app, [opened]), "a damaged copy is replaced"


def test_the_app_makes_its_folder_before_anything_is_pushed_to_where_adb_may_write(
    phone: FakePhone, adb: Adb, opened: Bundle
) -> None:
    """Android 11 and newer: fchown fails below Android/data, and a folder that the shell makes there is the shell's."""
    assert not (phone.android.root / SHARED).exists()
    assert adb.ask("mkdir", "-p", f"/sdcard/Android/data/{APP}/files").words.endswith("Permission denied")
    app = phones.open_app(adb)
    with pytest.raises(EnvironmentFault, match=r"refused push: .*fchown failed: Operation not permitted"):
        adb.push(opened.folder / "vocab.txt", f"{app.folder}/vocab.txt")
    phones.push(app, [opened])
    (started,) = [command for command in phone.android.asked if command.startswith("am start")]
    copied = next(command for command in phone.android.asked if command.startswith("cp"))
    assert phone.android.asked.index(started) < phone.android.asked.index(copied)
    assert all(path.stat().st_mode & 0o004 for path in (phone.android.root / SHARED / "pushed").rglob("*"))


def test_run_as_is_the_way_where_android_keeps_the_shell_out_of_the_apps_folder(
    phone: FakePhone, opened: Bundle, java: Run
) -> None:
    phone.android.acl, phone.android.app = False, java
    assert measure(phone, opened).samples
    private = phone.android.place(f"/data/user/0/{APP}/files")
    assert (private / "pushed" / opened.digest).is_dir() and not (private / "runs").exists()


def test_a_release_build_whose_files_nobody_may_read_is_told_apart(phone: FakePhone, adb: Adb) -> None:
    phone.android.acl = phone.android.debuggable = False
    with pytest.raises(EnvironmentFault, match=r"lets nobody at .* not debuggable.*; fix: install the app's debug"):
        phones.open_app(adb)


def test_the_user_in_front_is_measured(phone: FakePhone, adb: Adb, opened: Bundle) -> None:
    phone.android.user = 10
    app = phones.open_app(adb)
    assert (app.user, app.folder) == ("10", f"/storage/emulated/10/Android/data/{APP}/files")
    phones.push(app, [opened])
    phone.android.installed_for = (0,)
    with pytest.raises(EnvironmentFault, match=f"lacks the app {APP}; fix: .*, for user 10 too"):
        phones.open_app(adb)


@pytest.mark.parametrize("reply", [(255, b"", "Error: unknown command 'get-current-user'"), (0, b"null", "")])
def test_a_phone_that_knows_no_users_has_the_first(phone: FakePhone, adb: Adb, reply: Reply) -> None:
    phone.android.replies["am get-current-user"] = reply
    assert phones.open_app(adb).user == "0"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"awake": False}, "has its screen off; fix: wake and unlock it; its screen timeout is 120 s"),
        ({"locked": True}, "shows its lock screen; fix: unlock it; its screen timeout is 120 s"),
        ({"saver": True}, "is in battery saver; fix: switch battery saver off"),
        ({"doze": "IDLE"}, r"dozes \(found IDLE, expected ACTIVE\); fix: adb -s .* shell dumpsys deviceidle unforce"),
    ],
)
def test_a_phone_that_sleeps_or_saves_is_asked_first(
    phone: FakePhone, opened: Bundle, state: dict[str, object], message: str
) -> None:
    for name, value in state.items():
        setattr(phone.android, name, value)
    with pytest.raises(EnvironmentFault, match=message):
        measure(phone, opened)
    assert not any(command.startswith("am start") for command in phone.android.asked)


def test_what_a_phone_does_not_tell_of_its_state_does_not_stop_it(phone: FakePhone, adb: Adb) -> None:
    for question in ("dumpsys power", "dumpsys window", "dumpsys deviceidle", "settings get"):
        phone.android.replies[question] = (255, b"", "Can't find service")
    assert phones.open_app(adb).user == "0"


def test_a_screen_that_goes_off_before_a_large_bundle_is_there_is_told_first(
    phone: FakePhone, adb: Adb, opened: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = phones.open_app(adb)
    phone.android.timeout_ms = 30_000
    monkeypatch.setattr(phones, "PUSH_BYTES_PER_SECOND", 100.0)
    with pytest.raises(EnvironmentFault, match=r"screen off while .* \(found a screen timeout of 30 s, .*; fix: set a"):
        phones.push(app, [opened])


def test_a_file_reports_how_much_of_it_is_there_while_it_is_pushed(
    phone: FakePhone, adb: Adb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adbs, "_PUSH_PROGRESS_SECONDS", 0.1)
    received = phone.android.receive
    monkeypatch.setattr(phone.android, "receive", lambda *file: time.sleep(1) or received(*file))
    (tmp_path / "file").write_bytes(b"x")
    there: list[int] = []
    adb.push(tmp_path / "file", "/data/local/tmp/file", there.append)
    assert there and phone.android.place("/data/local/tmp/file").read_bytes() == b"x"


def test_a_full_phone_is_named_and_left_clean(phone: FakePhone, adb: Adb, opened: Bundle) -> None:
    app = phones.open_app(adb)
    phone.android.room = False
    with pytest.raises(EnvironmentFault, match="has no space left; fix: free storage"):
        phones.push(app, [opened])
    assert not phone.android.place(phones.STAGE).exists()
    phone.android.room = True
    phone.android.replies["cp"] = (1, b"", "cp: xwrite: No space left on device")
    with pytest.raises(EnvironmentFault, match="has no space left; fix: free storage"):
        phones.push(app, [opened])
    assert not (phone.android.root / SHARED / "pushing").exists() and not phone.android.place(phones.STAGE).exists()


def test_a_crash_shows_the_log_of_the_process(phone: FakePhone, opened: Bundle) -> None:
    def crash(android: Android, _: Extras) -> None:
        time.sleep(0.5)  # seen alive first
        android.process = None

    phone.android.app = crash
    with pytest.raises(
        EnvironmentFault, match=r"measured: .*--pid=42 .*FATAL EXCEPTION.*OutOfMemoryError; fix: adb -s"
    ):
        measure(phone, opened)


def test_a_crash_at_the_start_shows_the_crash_log(phone: FakePhone, opened: Bundle) -> None:
    phone.android.app = lambda android, _: setattr(android, "process", None)
    with pytest.raises(EnvironmentFault, match="died while it measured: logcat -d -b crash -t 40"):
        measure(phone, opened)


def test_an_app_that_ended_between_two_questions_has_not_died(
    phone: FakePhone, adb: Adb, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([("running", 0.0), ("done", 1.0)])
    statuses = (phones._Status(run_id="r", state=state, fraction=part, error=None) for state, part in said)
    monkeypatch.setattr(phones, "_status", lambda _app, _run_id: next(statuses))
    phone.android.process = None
    progress: list[float] = []
    phones._wait(phones.App(adb, "0", "/sdcard", ()), "r", 1, 0.0, progress.append)
    assert progress == [1.0]


def test_what_the_app_refuses_is_passed_on(phone: FakePhone, opened: Bundle) -> None:
    phone.android.app = says("failed", 0, "memory: is too small")
    with pytest.raises(EnvironmentFault, match="the app says: memory: is too small"):
        measure(phone, opened)
    assert phone.android.process is None, "it is ended"


@pytest.mark.parametrize(
    "said", [b"Error type 3\nError: Activity class does not exist.", b"java.lang.SecurityException: Permission Denial"]
)
def test_an_app_that_does_not_start_is_told(phone: FakePhone, adb: Adb, said: bytes) -> None:
    phone.android.replies["am start"] = (0, said, "")
    with pytest.raises(EnvironmentFault, match=r"cannot start the app: .*; fix: install it again"):
        phones.open_app(adb)


def test_an_app_of_another_version_is_told(phone: FakePhone, adb: Adb) -> None:
    phone.android.contract = 3
    with pytest.raises(IntegrityError, match=r"has another app .*; fix: install the app that belongs to this version"):
        phones.open_app(adb)
    for begin in ("cat", "run-as"):
        phone.android.replies[begin] = (1, b"", "cat: No such file or directory")
    with pytest.raises(EnvironmentFault, match="the app does not answer; fix: install the app that belongs to this"):
        phones.open_app(adb)


def test_a_frozen_app_is_told_and_ended(phone: FakePhone, opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Android 11 and newer freeze an app behind another: its process lives and reports nothing."""
    monkeypatch.setattr(phones, "_SILENT_SECONDS", 0.5)
    phone.android.app = says("running", 0.9)
    with pytest.raises(
        EnvironmentFault, match=r"the app stopped at 90% and reports nothing for .*; fix: keep the app in"
    ):
        measure(phone, opened)
    assert phone.android.process is None

    def lock(android: Android, extras: Extras) -> None:
        android.report(extras, "running", 0.9)
        android.locked = True

    phone.android.app = lock
    with pytest.raises(EnvironmentFault, match="shows its lock screen; fix: unlock it"):
        measure(phone, opened)


def test_an_app_that_never_begins_is_told(phone: FakePhone, opened: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phones, "_START_SECONDS", 0.5)
    with pytest.raises(EnvironmentFault, match="the app stopped at 0% and reports nothing"):
        measure(phone, opened)


def test_an_answer_that_takes_too_long_is_told(phone: FakePhone, adb: Adb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adbs, "_COMMAND_SECONDS", 0.3)
    phone.android.slow["getprop"] = 2.0
    with pytest.raises(EnvironmentFault, match=r"gave no answer to 'getprop ro\.build\.version\.sdk' in 0\.3 s"):
        phones.open_app(adb)


def test_an_interrupted_measurement_ends_the_app_and_cleans_the_phone(
    phone: FakePhone, adb: Adb, opened: Bundle
) -> None:
    def interrupt(text: str) -> None:
        if text.endswith("%"):
            raise KeyboardInterrupt

    phone.android.app = says("running", 0.5)
    with pytest.raises(KeyboardInterrupt):
        phones.measure(adb, files(opened), PROTOCOL, interrupt)
    assert phone.android.process is None
    assert not (phone.android.root / SHARED / "runs").exists()


@pytest.mark.parametrize("reply", ["", "not json", '{"schema_version":1,"run_id":"another"}'])
def test_a_foreign_reply_is_never_merged(phone: FakePhone, opened: Bundle, reply: str) -> None:
    def app(android: Android, extras: Extras) -> None:
        android.app_writes(android.app_folder(extras) / f"runs/{extras['run_id']}.json", reply)
        android.report(extras, "done", 1.0)

    phone.android.app = app
    with pytest.raises(IntegrityError, match="is not a result"):
        measure(phone, opened)


def test_an_unplugged_phone_is_an_error_with_the_next_step(phone: FakePhone, adb: Adb, opened: Bundle) -> None:
    app = phones.open_app(adb)
    phones.push(app, [opened])
    phone.unplug()
    with pytest.raises(EnvironmentFault, match=r"was lost: .*; fix: plug it in again"):
        phones.push(app, [opened])


def test_a_phone_that_is_unplugged_while_it_measures_is_cleaned_at_the_next_run(
    phone: FakePhone, adb: Adb, opened: Bundle, java: Run
) -> None:
    def unplug(text: str) -> None:
        if text.endswith("%"):
            phone.unplug()

    phone.android.app = says("running", 0.5)
    with pytest.raises(EnvironmentFault, match=r"was lost: .*; fix: plug it in again"):
        phones.measure(adb, files(opened), PROTOCOL, unplug)
    (left,) = (phone.android.root / SHARED / "runs").iterdir()
    with plugged(phone.android.root) as again:
        again.android.app = java
        assert measure(again, opened).samples
    assert not left.exists()


def test_an_old_phone_a_foreign_abi_and_a_missing_app_are_refused(phone: FakePhone, adb: Adb) -> None:
    phone.android.installed_for = ()
    with pytest.raises(
        EnvironmentFault, match=f"lacks the app {APP}; fix: build android_demo and adb install its APK$"
    ):
        phones.open_app(adb)
    phone.android.abis = "x86"
    with pytest.raises(EnvironmentFault, match="has no ABI of the app"):
        phones.open_app(adb)
    phone.android.sdk = 25
    with pytest.raises(EnvironmentFault, match=r"is too old .found API 25, expected API 26"):
        phones.open_app(adb)


def test_a_protocol_that_a_phone_does_not_run_is_refused(phone: FakePhone, opened: Bundle) -> None:
    for protocol in (Protocol(batch=2), Protocol(tokens=None, scenario="natural-length")):
        with pytest.raises(UsageError, match="--device: measures single texts"):
            phones.measure(Adb.connect(phone.serial), files(opened), protocol)


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
        adbs.ready()


def test_devices_are_listed_and_chosen_by_serial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_client(tmp_path / "client", monkeypatch, "A device product:x model:Pixel_3 device:y\nB device")
    assert [(device.serial, device.model) for device in adbs.listed()] == [("A", "Pixel_3"), ("B", None)]
    assert Adb.connect("B").serial == "B" and len(adbs.ready()) == 2
    with pytest.raises(EnvironmentFault, match=r"C: is not attached .found A, B"):
        Adb.connect("C")


def test_a_machine_without_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="adb: is not installed; fix: install Android's platform-tools"):
        adbs.ready()


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
