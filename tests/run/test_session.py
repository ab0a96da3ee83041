"""What comes of a damaged or hostile model file: one error of ours, from the child process or about its death."""

import os
import signal
import stat
import sys
import time
from pathlib import Path

import handmade
import onnx
import psutil
import pytest
from checkout import ROOT
from onnx import TensorProto

from squeezebert_mobile.bundle.manifest import Artifact
from squeezebert_mobile.errors import (
    EnvironmentFault,
    InputFileError,
    IntegrityError,
    SqueezeBertMobileError,
    UnsupportedModelError,
)
from squeezebert_mobile.files import sha256
from squeezebert_mobile.run import engines
from squeezebert_mobile.run.session import Session
from squeezebert_mobile.tasks import Runtime

GOLDEN = ROOT / "tests/data/bundle_v1"
PTE = GOLDEN / "executorch" / "model_xnnpack_fp32.pte"


def artifact(folder: Path, model: bytes, kind: Runtime = "onnx") -> Artifact:
    """An artifact whose digest is right, whatever its bytes are."""
    made = handmade.artifact(model).model_copy(update={"runtime": kind, "path": f"model.{kind}"})
    (folder / made.path).write_bytes(model)
    return made


def refusal(folder: Path, model: bytes, kind: Runtime = "onnx") -> SqueezeBertMobileError:
    """What the child answers to a model that it refuses, without the second that its start takes."""
    made = artifact(folder, model, kind)
    with pytest.raises(SqueezeBertMobileError) as caught:
        engines.open_artifact(folder / made.path, made, 1)
    assert f"model.{kind}" in str(caught.value)
    assert "; fix: " in str(caught.value)
    return caught.value


def external(location: str, **more: str) -> bytes:
    model = handmade.onnx_model()
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "bias")
    bias.ClearField("raw_data")
    bias.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        entry = bias.external_data.add()
        entry.key, entry.value = key, value
    return bytes(model.SerializeToString())


EXTERNAL = {
    "climbs": external("../secret"),
    "climbs inside": external("onnx/../../secret"),
    "absolute": external("/etc/passwd"),
    "file beside it": external("secret"),
    "missing": external("missing"),
    "negative offset": external("secret", offset="-8"),
    "offset too large": external("secret", offset="1000000"),
    "length too large": external("secret", length="1000000"),
    "unknown key": external("secret", surprise="1"),
}


@pytest.mark.parametrize("case", EXTERNAL)
def test_row_35_external_data_is_refused_before_the_runtime(
    tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_bytes(bytes(8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load_engine", lambda *_: pytest.fail("the runtime saw it"))
    error = refusal(tmp_path, EXTERNAL[case])
    assert isinstance(error, InputFileError)
    assert "another file" in str(error)


def field(number: int, data: bytes) -> bytes:
    """A protobuf field of bytes, its length in more bytes than it needs."""
    return bytes([number << 3 | 2, len(data) & 0x7F | 0x80, len(data) >> 7 | 0x80, 0]) + data


def test_row_35_external_data_that_is_encoded_unusually(tmp_path: Path) -> None:
    entry = field(1, b"location") + field(2, b"secret")
    tensor = bytes([8, 2, 16, 1]) + field(8, b"hidden") + field(13, entry) + bytes([14 << 3, 1])
    model = handmade.onnx_model().SerializeToString() + field(7, field(5, tensor))
    assert any(t.external_data for t in onnx.load_model_from_string(model).graph.initializer)
    assert isinstance(refusal(tmp_path, model), InputFileError)


def changed(kind: str) -> bytes:
    model = handmade.onnx_model()
    node = model.graph.node[2]
    match kind:
        case "custom domain":
            node.domain = "evil.ops"
        case "unknown operator":
            node.op_type = "Teleport"
        case "opset of the future":
            model.opset_import[0].version = 99
        case "format of the future":
            model.ir_version = 99
        case "cycle":
            node.input[0] = "real"
        case "dangling input":
            node.input[0] = "nowhere"
        case "truncated":
            return bytes(model.SerializeToString()[:2000])
        case "empty":
            return b""
        case "text":
            return b"<html>502 Bad Gateway</html>"
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("kind", ["custom domain", "unknown operator", "opset of the future", "format of the future"])
def test_row_37_what_the_runtime_lacks_is_an_unsupported_model(tmp_path: Path, kind: str) -> None:
    assert isinstance(refusal(tmp_path, changed(kind)), UnsupportedModelError)


def test_row_37_the_operator_is_named(tmp_path: Path) -> None:
    assert "Teleport" in str(refusal(tmp_path, changed("unknown operator")))


@pytest.mark.parametrize("kind", ["cycle", "dangling input", "truncated", "empty", "text"])
def test_row_37_a_graph_that_is_none_is_a_bad_file(tmp_path: Path, kind: str) -> None:
    assert isinstance(refusal(tmp_path, changed(kind)), InputFileError)


def test_row_37_a_file_of_more_than_two_gigabytes(tmp_path: Path) -> None:
    made = artifact(tmp_path, b"")
    os.truncate(tmp_path / made.path, 2**31)
    with pytest.raises(UnsupportedModelError, match=r"found 2147483648 bytes, expected at most 2147483647\); fix: "):
        Session(tmp_path, made)


def test_other_bytes_than_the_digest_says_never_reach_the_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "load_engine", lambda *_: pytest.fail("the runtime saw it"))
    made = artifact(tmp_path, b"one").model_copy(update={"sha256": sha256(b"two")})
    monkeypatch.setattr(sys.modules[__name__], "artifact", lambda *_: made)
    assert isinstance(refusal(tmp_path, b"one"), IntegrityError)


def test_the_childs_error_arrives_with_all_that_it_says(tmp_path: Path) -> None:
    made = artifact(tmp_path, b"one").model_copy(update={"sha256": sha256(b"two")})
    with pytest.raises(IntegrityError) as caught:
        Session(tmp_path, made)
    assert (caught.value.file, caught.value.found, caught.value.expected) == (
        str(tmp_path / made.path), sha256(b"one"), sha256(b"two"),
    )  # fmt: skip
    assert caught.value.fix


def test_row_50_a_missing_runtime_is_named_with_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extension = "executorch.extension.pybindings"
    for kind, modules in (("onnx", ["onnxruntime"]), ("executorch", [f"{extension}._C", f"{extension}._portable_lib"])):
        for module in modules:
            monkeypatch.setitem(sys.modules, module, None)
        made = artifact(tmp_path, b"", kind)
        with pytest.raises(EnvironmentFault, match=f"pip install '?{kind}"):
            engines.open_artifact(tmp_path / made.path, made, 1)


def test_a_runtime_that_is_there_and_does_not_import_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libonnxruntime.so: undefined symbol')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    made = artifact(tmp_path, b"", "onnx")
    with pytest.raises(EnvironmentFault, match=r"does not import: libonnxruntime\.so: undefined symbol"):
        engines.open_artifact(tmp_path / made.path, made, 1)


# Its end of the socket pair is the fourth argument: python -P -m MODULE DESCRIPTOR.
NONSENSE = "import os, sys, time; os.write(int(sys.argv[1]), bytes(8)); time.sleep(9)"


def child(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `Session` start a script instead of the worker."""
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(script))


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (
            "kill -9 $$",
            EnvironmentFault,
            r"killed while it loaded the model, most likely for memory \(found a peak of at most \d+ MB\)",
        ),
        ("kill -SEGV $$", InputFileError, "corrupt: the runtime died of SIGSEGV"),
        ("kill -ABRT $$", InputFileError, "corrupt: the runtime died of SIGABRT"),
        ("kill -FPE $$", InputFileError, "corrupt: the runtime died of SIGFPE"),
        ("echo no such module >&2; exit 1", EnvironmentFault, "ended with 1: no such module"),
        ("exit 0", EnvironmentFault, "ended with 0"),
        (f"exec {sys.executable} -c '{NONSENSE}' $4", InputFileError, "answered nonsense"),
    ],
)
def test_rows_38_and_49_the_death_of_the_child_is_reported_as_what_it_is(
    tmp_path: Path, body: str, error: type[SqueezeBertMobileError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = artifact(tmp_path, b"")
    child(tmp_path, body, monkeypatch)
    with pytest.raises(error, match=rf"model\.onnx: .*{words}.*; fix: "):
        Session(tmp_path, made)


def test_row_38_a_file_on_which_the_runtime_never_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = artifact(tmp_path, b"")
    child(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(Session, "timeout_seconds", 0.2)
    start = time.monotonic()
    with pytest.raises(InputFileError, match="did not come back"):
        Session(tmp_path, made)
    assert time.monotonic() - start < 30


def test_a_closed_session_leaves_no_process(tmp_path: Path) -> None:
    with Session(tmp_path, artifact(tmp_path, handmade.onnx_model().SerializeToString())) as session:
        pid = session.pid
        case = handmade.golden_cases(handmade.tokenizer())[0]
        assert session.run(case.batch(2))["logits"].shape == (1, 2)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def is_alive(pid: int) -> bool:
    """False for a process that has ended, whether or not its new parent has taken notice."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_row_46_a_killed_parent_leaves_no_process(tmp_path: Path) -> None:
    made = artifact(tmp_path, handmade.onnx_model().SerializeToString())
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            os.write(writer, str(Session(tmp_path, made).pid).encode())
            time.sleep(60)
        finally:
            os._exit(0)
    child = int(os.read(reader, 16))
    assert is_alive(child)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    deadline = time.monotonic() + 30
    while is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(child)


def pte(change: str) -> bytes:
    whole = PTE.read_bytes()
    match change:
        case "newer schema":
            return whole[:4] + b"ET99" + whole[8:]
        case "truncated":
            return whole[:4000]
        case _:
            return whole.replace(b"XnnpackBackend", b"NpuPackBackend")


@pytest.mark.parametrize("change", ["newer schema", "truncated"])
def test_row_38_a_damaged_pte_is_a_bad_file(tmp_path: Path, change: str) -> None:
    made = handmade.pte_artifact(b"").model_copy(update={"path": "model.pte"})
    (tmp_path / "model.pte").write_bytes(pte(change))
    made = made.model_copy(update={"sha256": sha256(pte(change))})
    case = handmade.golden_cases(handmade.tokenizer())[0]
    with pytest.raises(InputFileError, match=r"model\.pte: .*; fix: "), Session(tmp_path, made) as session:
        session.run(case.batch(2))


def test_row_39_a_foreign_backend_is_named_with_what_is_there(tmp_path: Path) -> None:
    error = refusal(tmp_path, pte("backend"), "executorch")
    assert isinstance(error, UnsupportedModelError)
    assert "needs NpuPackBackend (found " in str(error)
    assert "XnnpackBackend" in str(error)


def test_a_file_in_onnx_runtimes_own_format_is_no_onnx(tmp_path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(handmade.onnx_model().SerializeToString(), options, providers=["CPUExecutionProvider"])
    model = (tmp_path / "model.ort").read_bytes()
    assert onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_outputs()
    error = refusal(tmp_path, model)
    assert isinstance(error, InputFileError)
    assert "is in ONNX Runtime's own format, not ONNX" in str(error)
