"""The command as a user types it: output, exit codes, one line for every error."""

import errno
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command import assert_error, run

import squeezebert_mobile
from squeezebert_mobile import console, render, shell
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.checkpoint.source import DEMO_MODEL
from squeezebert_mobile.doctor import Check, Diagnosis
from squeezebert_mobile.errors import counted
from squeezebert_mobile.shell import shown_error
from squeezebert_mobile.steps import Step, Steps

TEXT = "A warm, funny film."


def test_predict_prints_labels_with_probabilities(tiny_bundle: Path) -> None:
    done = run("predict", tiny_bundle, TEXT)
    assert done.returncode == 0, done.stderr
    assert "negative" in done.stdout
    assert "positive" in done.stdout


@pytest.mark.parametrize("runtime", ["onnx", "executorch"])
def test_json_is_exactly_one_value(tiny_bundle: Path, runtime: str) -> None:
    done = run("predict", tiny_bundle, TEXT, "--runtime", runtime, "--precision", "fp32", "--json")
    result = json.loads(done.stdout)
    assert {score["label"] for score in result["result"]} == {"negative", "positive"}
    assert sum(score["score"] for score in result["result"]) == pytest.approx(1)
    assert result["truncated"] is False


def test_runtimes_agree(tiny_bundle: Path) -> None:
    answers = [
        json.loads(run("predict", tiny_bundle, TEXT, "--runtime", r, "--json").stdout) for r in ("onnx", "executorch")
    ]
    for one, other in zip(*(answer["result"] for answer in answers), strict=True):
        assert one["label"] == other["label"]
        assert one["score"] == pytest.approx(other["score"], abs=1e-5)


def test_many_texts_from_standard_input_and_a_file(tiny_bundle: Path, tmp_path: Path) -> None:
    lines = "good\nbad\tand a pair\n\n"
    file = tmp_path / "texts with spaces 😀.txt"
    file.write_text(lines, encoding="utf-8")
    piped = run("predict", tiny_bundle, "--file", "-", "--json", stdin=lines)
    filed = run("predict", tiny_bundle, "--file", file, "--json")
    results = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [timeless(r) for r in results] == [timeless(json.loads(line)) for line in filed.stdout.splitlines()]
    assert [r["sample"]["text"] for r in results] == ["good", "bad", ""]
    assert results[1]["sample"]["text_pair"] == "and a pair"
    table = tmp_path / "table.csv"
    table.write_text("label,sentence1,sentence2\n1,good,\n0,bad,and a pair\n", encoding="utf-8")
    read = run("predict", tiny_bundle, "--file", table, "--column", "text=sentence1", "--json")
    assert [timeless(json.loads(line)) for line in read.stdout.splitlines()] == [timeless(r) for r in results[:2]]


def timeless(result: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in result.items() if name != "milliseconds"}


def test_predict_says_which_artifact_answered_and_takes_the_recommended_one(tiny_onnx_bundle: Path) -> None:
    found = json.loads(run("predict", tiny_onnx_bundle, TEXT, "--json").stdout)
    assert found["artifact"] == bundles.read(tiny_onnx_bundle).recommended().path == "onnx/model_quantized.onnx"
    assert found["milliseconds"] > 0
    shown = run("predict", tiny_onnx_bundle, TEXT, "--precision", "fp32").stdout
    assert re.fullmatch(r"  onnx/model\.onnx, \d+\.\d ms", shown.splitlines()[-1])


def test_info_is_typed(tiny_onnx_bundle: Path) -> None:
    facts = json.loads(run("info", tiny_onnx_bundle, "--json").stdout)["facts"]
    assert facts["labels"] == ["negative", "positive"]
    assert facts["pooling"] is None and facts["revision"] is None
    assert facts["recommended"] == "onnx/model_quantized.onnx"
    assert "int64 input_ids" in facts["inputs"] and facts["outputs"] == ["float32 logits"]
    assert not [name for name in facts if " " in name]
    shown = run("info", tiny_onnx_bundle).stdout
    assert "negative, positive" in shown and "int64 input_ids" in shown
    assert max(map(len, shown.splitlines()[-4:])) <= 80


def test_a_long_text_is_cut_and_says_so(tiny_bundle: Path) -> None:
    done = run("predict", tiny_bundle, "film " * 500)
    assert "the text was cut to 160 tokens" in done.stdout


def test_strange_texts_get_an_answer(tiny_bundle: Path) -> None:
    for text in ("", "   ", "\u200b", "😀" * 50, "x" * 10_000):
        assert run("predict", tiny_bundle, text, "--json").returncode == 0


def test_verify_and_info_say_what_a_bundle_is(tiny_bundle: Path) -> None:
    verified = json.loads(run("verify", tiny_bundle, "--json").stdout)
    assert verified["ok"] is True and verified["signature"] is None
    assert len(verified["artifacts"]) == 2
    assert all(check["max_abs"] <= check["allowed"] for check in verified["artifacts"])
    described = run("info", tiny_bundle)
    assert verified["digest"] in described.stdout


def test_doctor_finds_what_is_installed() -> None:
    done = run("doctor", "--json")
    assert done.returncode == 0
    assert {check["name"] for check in json.loads(done.stdout)["checks"]} >= {"torch", "onnxruntime", "executorch"}
    shown = run("doctor")
    assert re.search(r"^ok  torch +\d+\.\d+", shown.stdout, re.MULTILINE)
    assert {"scipy", "scikit-learn", "seqeval", "node", "mvn"} <= set(re.findall(r"(?m)^ok  (\S+)", shown.stdout))
    assert "everything that an export needs works" in shown.stdout.splitlines()[-1]
    assert shown.stderr == ""


def test_doctor_names_what_an_export_lacks() -> None:
    checks = [Check("torch", False, True, None, ""), Check("adb", False, False, None, "")]
    said = render.diagnosis(Diagnosis.of(checks))
    assert said.holds is False
    assert said.text.endswith("exports do not work without torch; of the rest adb is missing")
    assert not Diagnosis.of(checks).healthy


@pytest.mark.parametrize("arguments", [(), ("-h",), ("--help",)])
def test_the_bare_command_and_h_print_help(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(part in done.stdout for part in ("Usage: squeezebert-mobile", "  export  ", "Describe a bundle"))


def test_the_version_is_one_line() -> None:
    assert run("-V").stdout == run("--version").stdout == f"{squeezebert_mobile.__version__}\n"


def test_a_shell_completes_commands_options_and_the_last_of_a_list() -> None:
    def completed(*words: str) -> set[str]:
        line = " ".join(("squeezebert-mobile", *words))
        asked = {"_SQUEEZEBERT_MOBILE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
        command = [Path(sys.executable).with_name("squeezebert-mobile")]
        return set(subprocess.run(command, env=os.environ | asked, capture_output=True, text=True).stdout.split())

    assert completed("ex") == {"export"}
    assert "--max-accuracy-drop" in completed("export", "--max")
    assert completed("export", "--precision", "fp32,int") == {"fp32,int8", "fp32,int8-static"}


@pytest.mark.parametrize("colour", [True, False])
def test_an_error_has_its_fix_on_a_second_line_for_people_and_on_one_in_a_pipe(colour: bool) -> None:
    message = "a.txt: is wrong (found 1; fix: odd); fix: correct it"
    assert shown_error(message, terminal=False, colour=colour) == f"error: {message}"
    lines = shown_error(message, terminal=True, colour=colour)
    assert re.sub("\033.*?m", "", lines) == "error: a.txt: is wrong (found 1; fix: odd)\n  fix: correct it"
    assert ("\033[" in lines) is colour


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("predict", "{bundle}"), 2, ("TEXT",)),
        (("predict", "{bundle}", "a", "--option", "b"), 2, ("--option",)),
        (("predict", "{bundle}", "a", "--runtime", "tvm"), 2, ("--runtime",)),
        (("predict", "{bundle}", "a", "--precision", "fp16"), 2, ("fp16", "onnx fp32")),
        (("predict", "{bundle}", "--file", "/nowhere/texts.txt"), 3, ("/nowhere/texts.txt",)),
        (("predict", "/nowhere", "a"), 3, ("/nowhere",)),
        (("verify", "/nowhere"), 3, ("/nowhere",)),
        (("info", "/nowhere"), 3, ("/nowhere", "no such folder", "OWNER/NAME")),
        (("info", "nowhere"), 3, ("nowhere: is no such folder", "OWNER/NAME")),
        (("export",), 2, ("--output-dir",)),
        (("export", "-o", "{bundle}"), 2, ("--force",)),
        (("export", "-o", "{new}", "-m", "./nowhere"), 3, ("./nowhere: is no such folder", "OWNER/NAME")),
        (("export", "-o", "{new}", "--opset", "7"), 2, ("--opset",)),
        (("frobnicate",), 2, ("frobnicate",)),
    ],
)
def test_every_mistake_is_one_line_with_a_fix(
    tiny_bundle: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    filled = [a.format(bundle=tiny_bundle, new=tmp_path / "new") for a in arguments]
    assert_error(run(*filled), code, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("megabytes", [400, 1000, 2500])
def test_a_lack_of_memory_is_one_line(megabytes: int) -> None:
    """Some libraries then cannot be imported, others cannot allocate."""
    limit = megabytes << 20
    command = [sys.executable, "-m", "squeezebert_mobile", "info", str(DEMO_MODEL)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        check=False,
    )
    assert done.returncode in (0, 7), done.stderr
    if done.returncode or megabytes == 400:
        assert_error(done, 7, "system: no memory is left", "ulimit -v")


NO_MEMORY = "close other programs"
PLACES = "check the disk"
INSTALL = "make install in the checkout"


@pytest.mark.parametrize(
    ("error", "named", "fix"),
    [
        (MemoryError(), "system: no memory is left", NO_MEMORY),
        (ImportError("libtorch.so: failed\nto map segment"), "system: no memory is left", NO_MEMORY),
        (ImportError("libc10.so: Cannot allocate memory", name="torch._C"), "system: no memory is left", NO_MEMORY),
        (RuntimeError("not enough: can't allocate"), "system: no memory is left", NO_MEMORY),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "system: no memory is left", NO_MEMORY),
        (ModuleNotFoundError("No module named 'onnx'", name="onnx"), "onnx: cannot be imported", INSTALL),
        (ImportError("libGL.so.1: cannot open shared object file"), "system: cannot be imported: libGL.so.1", INSTALL),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), "/a/b: No space left on device", PLACES),
    ],
    ids=repr,
)
def test_what_libraries_raise_is_told_by_its_cause(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, named: str, fix: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(shell, "app", fail)
    with pytest.raises(SystemExit) as ended:
        shell.main()
    assert ended.value.code == 7
    said = capsys.readouterr().err
    assert said.startswith(f"error: {named}") and said.count("\n") == 1 and f"; fix: {fix}" in said


def test_debug_shows_the_traceback() -> None:
    done = run("--debug", "verify", "/nowhere")
    assert done.returncode == 3
    assert "Traceback" in done.stderr


def test_a_closed_pipe_is_no_error(tiny_bundle: Path) -> None:
    command = f'"{sys.executable}" -m squeezebert_mobile info "{tiny_bundle}" | head -c 1; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.endswith("0\n")


def test_output_needs_no_utf8_locale(tiny_bundle: Path) -> None:
    done = run("predict", tiny_bundle, "naïve 😀", LC_ALL="C", PYTHONIOENCODING="", PYTHONUTF8="0", LANG="C")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_export_cleanly(tmp_path: Path, number: signal.Signals, code: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "squeezebert_mobile", "export", "-o", tmp_path / "bundle"], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not any(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == code, stderr
    assert not [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")]


def test_numbers_stand_on_the_right_of_a_table() -> None:
    rows = [("a", "1.5", "100 %", "2.31x (2.28 to 2.35)"), ("bb", "12.25", "–", "–")]
    assert console.table(("name", "MB", "agrees", "speed-up"), rows).splitlines() == [
        "name     MB  agrees              speed-up",
        "a       1.5   100 %  2.31x (2.28 to 2.35)",
        "bb    12.25       –                     –",
    ]


def test_a_table_is_never_wider_than_80_columns_and_breaks_no_word() -> None:
    name = "SqueezeBERT for long names, ONNX Runtime 1.32.0, int8-static, bundle"
    heads = ("case", "p50 ms", "speed-up", "p90 ms", "p99 ms", "runs", "verdict", "agrees with the reference")
    rows = [(name, "1.50", "2.31x (2.28 to 2.35)", "12.1", "13.0", "1000", "same", "100 %"), ("b", *["–"] * 7)]
    shown = console.table(heads, rows, 80)
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(map(" ".join, (heads, *rows))).split()
    assert all(shown.split().count(word) >= words.count(word) for word in words)
    first, second = shown.split("\n\n")
    assert first.startswith("case") and second.startswith("case") and "agrees with the reference" in second
    assert "\n\n" not in console.table(heads, rows, 200)
    # What has no room at all is whole all the same.
    assert "x" * 90 in console.table(("a", "b"), [("x" * 90, "1")], 80)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("holds", "mark"), [(True, "✓"), (False, "✗"), (None, "?")])
def test_a_verdict_has_a_mark_on_a_terminal_and_colour_unless_asked_not_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], holds: bool | None, mark: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    verdict = console.Verdict(holds, "cannot tell: " + "many words " * 20)
    console.Screen().judge(verdict)
    assert capsys.readouterr().out == verdict.text + "\n"
    console.Screen(as_json=True).judge(verdict)
    assert capsys.readouterr().out == ""
    for variable, colours in (("NO_COLOR", 0), ("COLOR", 2)):
        terminal = _Terminal()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            patch.setenv(variable, "1")
            console.Screen().judge(verdict)
        shown = terminal.getvalue()
        assert shown.count("\x1b[") == colours
        plain = re.sub("\x1b.*?m", "", shown)
        assert plain.startswith(f"{mark} cannot tell: ") and max(map(len, plain.splitlines())) <= 80
        assert plain.split() == [mark, *verdict.text.split()]


def planned(clock: Callable[[], float]) -> Steps:
    steps = Steps(clock=clock)
    steps.plan([Step("Reading the checkpoint", 60), Step("Exporting executorch int8-static", 90, "x")])
    return steps


def test_a_plan_of_steps_is_told_with_the_time_that_passed_and_remains() -> None:
    now = 0.0
    steps = planned(lambda: now)
    assert console.reached(steps) == "0/2 0:00, about 2:30 left"
    steps.begin("Reading the checkpoint")
    now = 3600.0
    assert console.reached(steps).startswith("0/2 1:00:00, about ")
    assert console.reached(Steps(clock=lambda: now)) == "0:00"


def test_without_a_terminal_a_step_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (False, True):
        with console.shown_steps("exporting", quiet=quiet) as steps:
            steps.plan(planned(lambda: 0.0).planned)
            steps.begin("Reading the checkpoint")
            steps.end()
            steps.begin("Exporting executorch int8-static", "x")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "exporting 0/2 0:00, about 2:30 left: Reading the checkpoint"
    assert re.fullmatch(r"exporting 1/2 0:00, about \d+:\d\d left: Exporting executorch int8-static", second)


def test_on_a_terminal_of_80_columns_the_times_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    shown = io.StringIO()
    made = Console(file=shown, force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr("rich.console.Console", lambda **_: made)
    with console.shown_steps("exporting") as steps:
        steps.plan(planned(lambda: 0.0).planned)
        steps.begin("Reading the checkpoint")
        steps.begin("Exporting executorch int8-static", "x")
        deadline = time.monotonic() + 60
        while "Reading the checkpoint, " not in shown.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", shown.getvalue()))
    line = next(line.rstrip() for line in lines if "Reading the checkpoint, " in line)
    assert len(line) <= 80
    assert re.search(r"exporting .* 0/2 0:0\d, about \d:\d\d left  Reading", line)


def test_without_a_terminal_progress_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    def lines(total: int | None, steps: int, *, quiet: bool = False) -> list[str]:
        with console.progress_bar("x", total, quiet=quiet) as advance:
            for step in range(steps):
                advance(1, f"step {step + 1}")
        return capsys.readouterr().err.splitlines()

    assert lines(2, 3) == ["x 1/2: step 1", "x 2/2: step 2", "x 3: step 3"]
    assert len(lines(1000, 1000)) == 20
    assert lines(None, 9) == ["x 1: step 1", "x 2: step 2", "x 4: step 4", "x 8: step 8"]
    assert lines(2, 2, quiet=True) == []


def test_a_line_of_progress_ends_where_there_is_nothing_more_to_say(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_bar("evaluating", 2) as advance:
        advance(1, "")
        advance(1, "row 2")
    assert capsys.readouterr().err == "evaluating 1/2\nevaluating 2/2: row 2\n"


def test_one_of_a_thing_is_no_plural() -> None:
    assert [counted(number, "row") for number in (0, 1, 2)] == ["0 rows", "1 row", "2 rows"]
