"""What is written in files never moves a terminal's cursor, sets its title or turns its text around."""

import json
import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path

import handmade
import numpy as np
import pytest
from command import assert_error, run
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from safetensors.numpy import save_file

from squeezebert_mobile import console
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import InputFileError, one_line, visible
from squeezebert_mobile.files import dump_json

HOSTILE = "\x1b]0;PWNED\x07\x1b[2J\x9b1m\rerror: x\u202e\u2066\u200f\ufeff\x7f"
HARMLESS = "caf\xe9 \u6211\u7231 \U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e"
ESCAPED = r"\x1b]0;PWNED\x07\x1b[2J\x9b1m\rerror: x\u202e\u2066\u200f\ufeff\x7f"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound bundle with a hostile label and the name of its source."""
    content, whole = handmade.contents(handmade.onnx_model().SerializeToString())
    labels = (HOSTILE + "\nforged", HARMLESS)
    config = json.loads(content["config.json"])
    config |= {"id2label": dict(enumerate(labels)), "label2id": {label: n for n, label in enumerate(labels)}}
    content["config.json"] = json.dumps(config).encode()
    files = tuple(bundles.entry(entry.path, content[entry.path]) for entry in whole.files)
    source = whole.source.model_copy(update={"name": HOSTILE, "notes": (HOSTILE,)})
    changes = {"labels": labels, "files": files, "source": source}
    target = tmp_path_factory.mktemp("hostile") / "bundle"
    with bundles.staged(target, force=False) as stage:
        bundles.fill(stage, content, whole.model_copy(update=changes))
    return target


def hidden(text: str) -> set[str]:
    """The characters of a command's output that no line of text has."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\u200c\u200d"}


@pytest.mark.parametrize("arguments", [("predict", "good"), ("info",)])
def test_a_label_and_a_name_are_shown_as_what_they_are(bundle: Path, arguments: tuple[str, ...]) -> None:
    name, *texts = arguments
    done = run(name, bundle, *texts)
    assert done.returncode == 0, done.stderr
    assert not hidden(done.stdout + done.stderr)
    assert ESCAPED in done.stdout
    assert HARMLESS in done.stdout
    assert "\nforged" not in done.stdout


def test_json_has_the_label_exactly_and_escaped(bundle: Path) -> None:
    done = run("predict", bundle, "good", "--json")
    assert done.stdout.isascii()
    assert not hidden(done.stdout.replace("\x7f", ""))
    answer = json.loads(done.stdout)
    assert {score["label"] for score in answer["result"]} == {HOSTILE + "\nforged", HARMLESS}


def test_the_name_of_a_tensor_is_shown_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(dump_json(handmade.CONFIG.to_dict()))
    save_file({HOSTILE: np.full(5000, np.nan, np.float32)}, tmp_path / "model.safetensors")
    done = run("info", tmp_path)
    assert_error(done, 3, ESCAPED.replace(r"\r", " "))  # white space is a space there
    assert not hidden(done.stdout + done.stderr)


def test_a_path_is_shown_as_what_it_is(tmp_path: Path) -> None:
    done = run("verify", tmp_path / "a\x1b[2J\u202eb")
    assert_error(done, 3, r"a\x1b[2J\u202eb")
    assert not hidden(done.stderr)


def test_a_terminal_gets_no_other_bytes(bundle: Path) -> None:
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "squeezebert_mobile", "predict", str(bundle), "good"]
    with subprocess.Popen(command, stdout=child, stderr=child) as process:
        os.close(child)
        data = b""
        while True:
            try:
                block = os.read(parent, 1 << 16)
            except OSError:
                break
            if not block:
                break
            data += block
    os.close(parent)
    assert process.returncode == 0
    assert b"PWNED" in data
    assert not any(byte in data for byte in (b"\x1b]0;", b"\x1b[2J", b"\x07", "\u202e".encode()))


@given(st.text())
def test_what_is_visible_keeps_all_that_can_be_seen_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    assert not hidden(shown.replace("\n", "!"))
    assert visible(shown) == shown
    assert one_line(text).isprintable()
    assert str(InputFileError(text, text, fix=text)).isprintable()
    if text.isprintable():
        assert shown == text


def test_each_line_of_a_result_and_each_cell_of_a_table_is_made_visible(capsys: pytest.CaptureFixture[str]) -> None:
    console.Screen().show("a\x1bb\nc\rd", str)
    console.Screen().note("e\x07f")
    out, err = capsys.readouterr()
    assert (out, err) == ("a\\x1bb\nc\\rd\n", "e\\x07f\n")
    assert console.table(("a", "b"), [("c\nd", "e")]).splitlines() == ["a     b", "c\\nd  e"]


WIDE = ("映画", "とても良い", "good", "좋아요", "\U0001f600", "e\u0301te\u0301", "\U0001f469\u200d\U0001f467")


def test_columns_stand_below_each_other_whatever_script_they_are_in() -> None:
    rows = [(label, label, "1.5") for label in WIDE]
    lines = console.table(("label", "ラベル", "値"), rows, 80).splitlines()
    assert {cell_len(line) for line in lines} == {cell_len(lines[0])}
    assert {cell_len(line[: line.rindex("1.5")]) for line in lines[1:]} == {cell_len(lines[1]) - 3}
    starts = [cell_len(line[: line.index(label, len(label))]) for line, label in zip(lines[1:], WIDE, strict=True)]
    assert len({*starts}) == 1


def test_a_wide_name_is_broken_where_the_terminal_ends() -> None:
    words = " ".join(["映画はとても"] * 12)
    shown = console.table(("name", "value"), [(words, "1.5")], 60)
    assert all(cell_len(line) <= 60 for line in shown.splitlines())
    assert "".join(shown.split()).count("映画はとても") == 12
