"""The frames between a child process and its parent, and what a child makes of requests."""

import io
import json
import socket
import struct
from pathlib import Path

import numpy as np
import pytest

from squeezebert_mobile.errors import GateError, InputFileError, SqueezeBertMobileError
from squeezebert_mobile.run import child
from squeezebert_mobile.run.child import Answer, Arrays, Child, read_frame, serve, write_frame

# A module that a child can be: it answers, prints where native code would, and fails.
SCRIPT = """
import os, struct, sys
import numpy as np
from squeezebert_mobile.errors import GateError
from squeezebert_mobile.run.child import serve

def double(arrays, note=None):
    return note, {name: 2 * array for name, array in arrays.items()}

def shout(arrays):
    print("to the output"); os.write(1, b"again"); os.write(2, b"and to the errors")
    return None, arrays

def refuse(arrays):
    raise GateError("a file", "is late", fix="hurry", found=0)

def crash(arrays):
    raise RuntimeError("no such thing")

def babble(arrays):
    os.write(int(sys.argv[1]), struct.pack("<4sI", b"call", 8) + b"[[], []]")
    return None, {}

serve(int(sys.argv[1]), {name: globals()[name] for name in ("double", "shout", "refuse", "crash", "babble")})
"""


@pytest.fixture
def process(tmp_path: Path):
    (tmp_path / "scripted.py").write_text(SCRIPT)
    with Child("scripted", {"PYTHONPATH": str(tmp_path)}) as made:
        yield made


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int64).reshape(2, 3),
        np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
        np.float16([[1.5]]),
        np.array([True, False]),
        np.zeros((0, 5), np.float32),
        np.array(3.25),
        np.random.default_rng(0).normal(size=1 << 17).astype(">f8"),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_of_any_shape_order_and_number_arrive_as_they_were_sent(array: np.ndarray) -> None:
    stream = io.BytesIO()
    write_frame(stream, b"done", {"n": [1, None]}, {"first": array, "second": array.T})
    stream.seek(0)
    frame = read_frame(stream)
    assert frame is not None
    kind, value, arrays = frame
    assert (kind, value, list(arrays)) == (b"done", {"n": [1, None]}, ["first", "second"])
    for sent, found in zip((array, array.T), arrays.values(), strict=True):
        assert found.dtype == sent.dtype
        assert found.flags.writeable
        np.testing.assert_array_equal(found, sent)


def whole() -> bytes:
    stream = io.BytesIO()
    write_frame(stream, b"done", None, {"logits": np.arange(4.0)})
    return stream.getvalue()


@pytest.mark.parametrize("size", range(len(whole())))
def test_a_frame_that_breaks_off_is_none(size: int) -> None:
    assert read_frame(io.BytesIO(whole()[:size])) is None


def frame(header: object, kind: bytes = b"done") -> bytes:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<4sI", kind, len(data)) + data + bytes(64)


@pytest.mark.parametrize(
    "data",
    [
        bytes(64),
        frame([None, []], b"what"),
        frame(b"\xff\xff"),
        frame(b"[" * 200_000),
        frame([None]),
        frame([None, 7]),
        frame([None, [["a", "<f4"]]]),
        frame([None, [["a", "|O", [2]]]]),
        frame([None, [["a", "no type", [2]]]]),
        frame([None, [["a", "<f4", [-1]]]]),
        frame([None, [["a", "<f8", [1 << 62]]]]),
        frame([None, [[[], "<f4", [2]]]]),
    ],
)
def test_nonsense_raises_what_the_parent_expects_of_it(data: bytes) -> None:
    with pytest.raises(child._NONSENSE):
        read_frame(io.BytesIO(data))


def answered(name: str, arguments: dict[str, object], handler: child.Handler, *arrays: Arrays) -> list[Answer]:
    """What `serve` answers in this process."""
    ours, theirs = socket.socketpair()
    with ours, ours.makefile("rwb") as stream:
        for each in arrays:
            write_frame(stream, b"call", (name, arguments), each)
        ours.shutdown(socket.SHUT_WR)
        serve(theirs.detach(), {name: handler})
        found = []
        while (read := read_frame(stream)) is not None:
            found.append(read)
        return found


def test_every_request_is_answered_in_order_with_its_arguments() -> None:
    def scaled(arrays: Arrays, by: int) -> Answer:
        return by, {"x": arrays["x"] * by}

    found = answered("scaled", {"by": 3}, scaled, {"x": np.ones(1)}, {"x": np.zeros(1)})
    assert [(kind, value, arrays["x"].tolist()) for kind, value, arrays in found] == [
        (b"done", 3, [3.0]), (b"done", 3, [0.0]),
    ]  # fmt: skip


def test_an_error_goes_in_a_frame_of_its_own_kind_and_the_child_goes_on() -> None:
    def picky(arrays: Arrays) -> Answer:
        if "x" not in arrays:
            raise InputFileError(Path("a/file"), "is odd", fix="even it", expected=2)
        return None, arrays

    first, second = answered("picky", {}, picky, {}, {"x": np.ones(1)})
    facts = {"file": "a/file", "what": "is odd", "fix": "even it", "found": None, "expected": "2"}
    assert first == (b"fail", {"exit_code": 3, **facts}, {})
    assert second[0] == b"done"


def test_an_output_named_error_is_an_output(process: Child) -> None:
    value, outputs = process.ask("model", "double", {"note": {"error": "none"}}, {"error": np.arange(3.0)})
    assert value == {"error": "none"}
    assert outputs["error"].tolist() == [0, 2, 4]


def test_what_native_code_prints_does_not_get_among_the_frames(process: Child) -> None:
    assert process.ask("model", "shout", {}, {"x": np.ones(2)})[1]["x"].tolist() == [1, 1]
    assert process.ask("model", "double", {}, {"x": np.ones(2)})[1]["x"].tolist() == [2, 2]


def test_an_error_of_the_child_is_raised_in_the_parent_and_the_child_stays(process: Child) -> None:
    with pytest.raises(GateError, match=r"^a file: is late \(found 0\); fix: hurry$"):
        process.ask("model", "refuse", {})
    assert process.ask("model", "double", {"note": "there"}) == ("there", {})


def test_a_child_that_ends_is_reported_with_the_last_line_that_it_printed(process: Child) -> None:
    with pytest.raises(SqueezeBertMobileError, match=r"model: .* ended with 1: RuntimeError: no such thing"):
        process.ask("model", "crash", {})


def test_a_child_that_asks_instead_of_answering_talks_nonsense(process: Child) -> None:
    with pytest.raises(InputFileError, match="model: is corrupt: the runtime's process answered nonsense"):
        process.ask("model", "babble", {})


def test_an_answer_larger_than_any_buffer_arrives_whole(process: Child) -> None:
    large = np.arange(1 << 22, dtype=np.float32)
    _, outputs = process.ask("model", "double", {}, {"x": large})
    np.testing.assert_array_equal(outputs["x"], 2 * large)
