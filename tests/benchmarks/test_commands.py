"""The measuring commands as a user types them."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from command import assert_error, run
from results import make_result, noisy
from typer.testing import CliRunner

from squeezebert_mobile.benchmarks import peers, results
from squeezebert_mobile.benchmarks.peers import Peer
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.cli import app
from squeezebert_mobile.errors import UsageError

QUICK = ("--quick", "--min-runs", "3", "--min-seconds", "0", "--tokens", "16")


@pytest.mark.parametrize("command", ["benchmark", "report", "reproduce", "compare", "devices"])
def test_help_of_a_command_imports_no_torch(command: str) -> None:
    program = (
        "import sys; from squeezebert_mobile.cli import app; app(['{}', '--help'], standalone_mode=False); "
        "assert not {{'torch', 'onnxruntime', 'matplotlib', 'transformers'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program.format(command)], check=True, capture_output=True)


def test_a_run_is_kept_reported_and_printed_as_one_value(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    kept, page, text, plots = (tmp_path / name for name in ("run.jsonl", "page.html", "run.md", "plots"))
    done = run(
        *("benchmark", tiny_onnx_bundle, *QUICK, "-o", kept, "--html", page, "--markdown", text, "--png", plots),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    (summary,) = json.loads(done.stdout)
    result = results.read(kept)
    assert [row["case"]["name"] for row in summary["rows"]] == [case.name for case in result.cases]
    assert {case.precision for case in result.cases} == {"fp32", "int8"}
    assert all(len(result.latencies(case.name)) >= 3 for case in result.cases)
    assert all(sample.tokens == 16 and (sample.tokenize_ns or 0) > 0 for sample in result.samples)
    # The stages of a call are over before the next call begins.
    calls = sorted((sample.at_ns, sample.at_ns + sample.total_ns) for sample in result.samples)
    assert all(end <= start for (_, end), (start, _) in pairwise(calls))
    assert all(case.cold is not None and (case.cold.load_ns or 0) > 0 for case in result.cases)
    assert page.read_text().count("<figure") == len(list(plots.glob("*.png"))) >= 2
    assert "SqueezeBERT, ONNX Runtime" in text.read_text()


def test_reports_are_drawn_from_kept_runs(tmp_path: Path) -> None:
    phone = make_result({"a": [4_000_000] * 12}, run_id="2")
    environment = phone.run.environment.model_copy(update={"device": "A phone"})
    phone = replace(phone, run=phone.run.model_copy(update={"environment": environment}))
    for name, result in (("host", make_result({"a": [2_000_000] * 12, "b": [1_000_000] * 12})), ("phone", phone)):
        results.write(tmp_path / f"{name}.jsonl", result)
    page, text, plots = tmp_path / "page.html", tmp_path / "run.md", tmp_path / "plots"
    runs = (tmp_path / "host.jsonl", tmp_path / "phone.jsonl")
    done = run("report", *runs, "--html", page, "--markdown", text, "--png", plots, "--json")
    assert done.returncode == 0, done.stderr
    host, _ = json.loads(done.stdout)
    assert host["closing"] == "b fp32 in ONNX Runtime 2.0x as fast as fp32 a, 95 %: 2.0 to 2.0"
    assert f"{host['closing']}." in text.read_text()
    assert "A phone" in page.read_text()
    assert {path.name for path in plots.iterdir()} == {"latency.png", "speed-up.png", "latency-2.png"}
    printed = run("report", runs[0])
    assert printed.stdout.splitlines()[-1] == host["closing"]


def test_a_run_without_a_bundle_says_what_is_missing(tmp_path: Path) -> None:
    made = make_result({"BERT-base": [2_000_000] * 12})
    plain = tuple(case.model_copy(update={"form": "plain"}) for case in made.cases)
    results.write(tmp_path / "run.jsonl", replace(made, cases=plain))
    assert "give a full-size bundle for this line" in run("report", tmp_path / "run.jsonl").stdout.splitlines()[-1]


def test_a_damaged_run_is_no_report(tmp_path: Path) -> None:
    (tmp_path / "run.jsonl").write_bytes(results.dump(make_result({"a": [1] * 12})).replace(b"cpu", b"CPU"))
    assert_error(run("report", tmp_path / "run.jsonl", "--html", tmp_path / "page.html"), 4, "was changed")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "lengths", "threads"),
    [
        ("natural-length", {None}, {1}),
        ("length-sweep", {1, 8, 16, 32, 64, 128}, {1}),
        ("thread-sweep", {128}, {1, 2}),
        ("sustained", {128}, {1}),
        ("single-stream", {128}, {1}),
    ],
)
def test_each_scenario_measures_what_it_names(
    tiny_onnx_bundle: Path, tmp_path: Path, scenario: str, lengths: set[int | None], threads: set[int]
) -> None:
    kept = tmp_path / "run.jsonl"
    options = ("--quick", "--min-seconds", "0", "--precision", "fp32", "--scenario", scenario)
    done = run("benchmark", tiny_onnx_bundle, *options, "-o", kept)
    assert done.returncode == 0, done.stderr
    found = results.read(kept)
    assert {case.protocol.tokens for case in found.cases} == lengths
    assert {case.protocol.threads for case in found.cases} >= threads
    assert {case.protocol.scenario for case in found.cases} == {scenario}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("benchmark",), 2, ("nothing to measure", "--peer")),
        (("benchmark", "/nowhere"), 3, ("/nowhere",)),
        (("benchmark", "--peer", "gpt"), 2, ("--peer", "bert-base")),
        (("benchmark", "--scenario", "race"), 2, ("--scenario",)),
        (("benchmark", "{bundle}", "--runtime", "executorch"), 2, ("no such artifact", "onnx fp32")),
        (("benchmark", "{bundle}", "--best-peers"), 2, ("--best-peers", "--peer all")),
        (("benchmark", "{bundle}", "--file", "x.txt"), 2, ("--file", "natural-length")),
        (("benchmark", "{bundle}", "--pad-to", "64"), 2, ("--pad-to", "shorter")),
        (
            ("benchmark", "{bundle}", "--pad-to", "64", "--scenario", "natural-length"),
            2,
            ("--pad-to", "number of tokens"),
        ),
        (("benchmark", "--model", "x", "--runtime", "onnx"), 2, ("--model", "--runtime torch")),
        (("benchmark", "{bundle}", "--tokens", "513"), 2, ("nothing to measure", "takes at most 160")),
        (("benchmark", "{bundle}", "--device", "usb"), 2, ("--device", "adb:SERIAL")),
        (("benchmark", "--device", "adb:all"), 2, ("--device", "bundles and peers")),
        (("benchmark", "{bundle}", "--device", "adb:all", "--scenario", "sustained"), 2, ("scenario",)),
        (("reproduce", "/nowhere"), 3, ("/nowhere",)),
        (("reproduce", "--tokens", "0"), 2, ("--tokens",)),
        (("compare", "/nowhere", "/nowhere"), 3, ("/nowhere",)),
        (("compare", "a"), 2, ("'B'",)),
    ],
)
def test_every_mistake_is_one_line_with_a_fix(
    tiny_onnx_bundle: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    assert_error(run(*(argument.format(bundle=tiny_onnx_bundle) for argument in arguments)), code, *words)


def test_compare_passes_the_same_and_fails_a_slower_run(tmp_path: Path) -> None:
    for number, scale in ((0, 1.0), (1, 1.0), (2, 1.05)):
        results.write(tmp_path / f"{number}.jsonl", make_result({"m": noisy(number, scale)}, run_id=str(number)))
    same = run("compare", tmp_path / "0.jsonl", tmp_path / "1.jsonl", "--max-slowdown", "0.02", "--json")
    assert same.returncode == 0, same.stderr
    assert [change["verdict"] for change in json.loads(same.stdout)["changes"]] == ["same"]
    slower = run("compare", tmp_path / "0.jsonl", tmp_path / "2.jsonl", "--max-slowdown", "0.02")
    assert slower.returncode == 6
    assert "became slower" in slower.stderr and "at most +2.0%" in slower.stderr
    assert "slower" in slower.stdout


def test_compare_prints_json_whatever_it_decides(tmp_path: Path) -> None:
    for number, scale in ((0, 1.0), (1, 1.0), (2, 1.1)):
        results.write(tmp_path / f"{number}.jsonl", make_result({"m": noisy(number, scale)}, run_id=str(number)))
    dark = make_result({"m": noisy(3)}, run_id="3", screen_on=False)
    results.write(tmp_path / "3.jsonl", dark)
    for number, code, decision in ((1, 0, "passed"), (2, 6, "regression"), (3, 8, "cannot tell")):
        after = tmp_path / f"{number}.jsonl"
        done = run("compare", tmp_path / "0.jsonl", after, "--max-slowdown", "0.03", "--json")
        assert done.returncode == code, done.stderr
        assert json.loads(done.stdout)["decision"] == decision
        assert done.stderr.startswith("error: ") == (code > 0)


def test_a_report_that_cannot_be_written_is_refused_before_measuring(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    def refusal(*arguments: str) -> str:
        return str(CliRunner().invoke(app, [*arguments]).exception)

    for option in ("--html", "--markdown", "--png", "-o"):
        assert refusal("benchmark", str(tiny_onnx_bundle), option, "/proc/nowhere/a").startswith("/proc/nowhere")
        assert "cannot be written" in refusal("benchmark", str(tiny_onnx_bundle), option, __file__ + "/a")
    assert "is a folder" in refusal("benchmark", str(tiny_onnx_bundle), "--html", str(tmp_path / "a"))
    assert_error(run("reproduce", "--html", "/proc/nowhere/a"), 7, "/proc/nowhere")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_zip_is_measured_under_its_name_and_invalid_cases_can_be_refused(
    tiny_onnx_bundle: Path, tmp_path: Path
) -> None:
    archive.pack(tiny_onnx_bundle, tmp_path / "packed.zip")
    options = ("--quick", "--min-runs", "1", "--min-seconds", "0", "--tokens", "8", "--precision", "fp32")
    done = run("benchmark", tmp_path / "packed.zip", tiny_onnx_bundle, *options, "--json", "--require-valid")
    (summary,) = json.loads(done.stdout)
    assert [row["case"]["model"] for row in summary["rows"]] == [
        "SqueezeBERT packed",
        f"SqueezeBERT {tiny_onnx_bundle.name}",
    ]
    # Of one run nothing is ever claimed.
    assert done.returncode == 8
    assert "cases not valid: " in done.stderr


def test_devices_without_adb_says_what_to_install() -> None:
    assert_error(run("devices", PATH="/nonexistent"), 7, "adb", "platform-tools")


def test_peers_are_named_in_any_case_with_or_without_weights() -> None:
    assert peers.parse(["BERT-base", "mobilebert=x"]) == {Peer.BERT_BASE: None, Peer.MOBILEBERT: Path("x")}
    assert peers.parse(["bert-base=x", "all"])[Peer.BERT_BASE] == Path("x")
    with pytest.raises(UsageError, match="--peer: unknown peer"):
        peers.parse(["all=x"])


def test_padding_is_measured_where_it_can_be(tiny_onnx_bundle: Path, tmp_path: Path) -> None:
    kept = tmp_path / "run.jsonl"
    options = ("--quick", "--min-seconds", "0", "--precision", "fp32", "--tokens", "8", "--pad-to", "24")
    done = run("benchmark", tiny_onnx_bundle, *options, "-o", kept)
    assert done.returncode == 0, done.stderr
    found = results.read(kept)
    assert {(case.protocol.tokens, case.protocol.pad_to) for case in found.cases} == {(8, 24)}
    assert {sample.tokens for sample in found.samples} == {24}
    assert "8 tokens padded to 24" in done.stdout
