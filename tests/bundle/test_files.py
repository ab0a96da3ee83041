"""Digests of bytes and files, bytes that are handed out only with the right one, and JSON objects read strictly."""

import hashlib
import os
from pathlib import Path

import pytest

from squeezebert_mobile import files
from squeezebert_mobile.errors import InputFileError, IntegrityError
from squeezebert_mobile.files import (
    SourceFile,
    dump_json,
    read_file,
    read_json,
    read_verified,
    require_digest,
    sha256,
    sha256_file,
    unlisted,
)

DATA = b"some bytes"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(DATA)
    return tmp_path / "file"


def test_a_file_has_the_digest_of_its_bytes(path: Path) -> None:
    assert sha256(DATA) == sha256_file(path) == hashlib.sha256(DATA).hexdigest()


def test_bytes_that_sha256sums_lists_otherwise_are_refused_by_file(path: Path) -> None:
    (path.parent / "SHA256SUMS").write_bytes(b"0" * 64 + b"  caf\xe9\n" + b"1" * 64 + b"  file\n")
    with pytest.raises(IntegrityError) as caught:
        read_file(path)
    error = caught.value
    assert (error.file, error.what) == (str(path), "SHA-256 mismatch with SHA256SUMS")
    assert (error.found, error.expected) == (sha256(DATA), "1" * 64)
    assert error.fix == "download it again, or correct SHA256SUMS"


def test_bytes_that_the_hub_names_otherwise_are_refused_by_file(tmp_path: Path) -> None:
    blob, path = tmp_path / "blobs" / sha256(b"other"), tmp_path / "file"
    blob.parent.mkdir()
    blob.write_bytes(DATA)
    path.symlink_to(blob)
    with pytest.raises(IntegrityError) as caught:
        read_file(path)
    error = caught.value
    assert (error.file, error.what) == (str(path), "digest mismatch with the hub")
    assert (error.found, error.expected) == (sha256(DATA), blob.name)
    assert error.fix == f"delete {blob} and download it again"


def test_json_is_read_up_to_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 8)
    assert read_json(tmp_path / "a.json") == {"a": 1}
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 7)
    with pytest.raises(InputFileError, match="too large"):
        read_json(tmp_path / "a.json")


def test_verified_bytes_are_handed_out_and_others_refused_by_file(path: Path) -> None:
    assert read_verified(path, sha256(DATA)) == DATA
    with pytest.raises(IntegrityError) as caught:
        read_verified(path, sha256(b"other bytes"))
    assert (caught.value.file, caught.value.found) == (str(path), sha256(DATA))
    assert caught.value.expected == sha256(b"other bytes")
    assert (caught.value.what, caught.value.fix) == ("SHA-256 mismatch", "copy or export the bundle again")


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path, "folder"), (tmp_path / "pipe", "device or pipe")):
        with pytest.raises(InputFileError) as caught:
            read_file(path)
        assert (caught.value.file, caught.value.what) == (str(path), f"is a {kind}, not a file")


def test_a_missing_digest_is_no_match() -> None:
    with pytest.raises(IntegrityError, match=r"^bundle\.json: SHA-256 mismatch with its seal \(expected abc\)"):
        require_digest("bundle.json", None, "abc", what="SHA-256 mismatch with its seal")


def test_what_is_read_comes_with_its_name_digest_and_size(path: Path) -> None:
    assert read_file(path) == (DATA, SourceFile("file", sha256(DATA), len(DATA)))


@pytest.mark.parametrize(
    "line",
    [
        "{digest}  file",
        "{digest} *file",
        "{upper}  file",
        "{digest}  ./file",
        "{digest} *./file",
        "{digest}  other\n{digest}  file",
    ],
)
def test_a_digest_in_sha256sums_has_to_match(path: Path, line: str) -> None:
    def listed(data: bytes) -> str:
        return line.format(digest=sha256(data), upper=sha256(data).upper())

    sums = path.with_name("SHA256SUMS")
    sums.write_text(listed(DATA))
    assert read_file(path)[0] == DATA
    sums.write_text(listed(b"other bytes"))
    with pytest.raises(IntegrityError, match="SHA-256 mismatch with SHA256SUMS") as caught:
        read_file(path)
    assert (caught.value.found, caught.value.expected) == (sha256(DATA), sha256(b"other bytes"))
    assert caught.value.file == str(path)
    assert "correct SHA256SUMS" in caught.value.fix


def test_a_file_that_sha256sums_does_not_list_is_read(path: Path) -> None:
    path.with_name("SHA256SUMS").write_bytes(f"{sha256(b'other bytes')}  caf\xe9".encode("latin-1"))
    assert read_file(path)[0] == DATA


def test_a_list_that_names_nothing_that_is_read_is_refused(path: Path) -> None:
    read = [SourceFile("file", "", 0), SourceFile("other", "", 0)]
    assert unlisted(path.parent, read) == ()
    sums = path.with_name("SHA256SUMS")
    sums.write_text(f"{sha256(DATA)}  ./other\n")
    assert unlisted(path.parent, read) == ("file has no line in SHA256SUMS",)
    for content in ("", f"{sha256(DATA)}  model/file\n", f"{sha256(DATA)}  README.md\n"):
        sums.write_text(content)
        with pytest.raises(InputFileError, match=r"names none of the files that are read .*expected file, other"):
            unlisted(path.parent, read)


def test_a_list_of_digests_has_a_size(path: Path) -> None:
    with path.with_name("SHA256SUMS").open("wb") as sums:
        sums.truncate(20 << 30)
    with pytest.raises(InputFileError, match=r"SHA256SUMS: is too large"):
        read_file(path)


def test_a_pipe_in_the_place_of_a_list_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path.with_name("SHA256SUMS"))
    assert read_file(path)[0] == DATA


def test_a_line_of_sha256sums_without_a_digest_is_named(path: Path) -> None:
    path.with_name("SHA256SUMS").write_text(f"{sha256(DATA)}  other\nfile\n")
    with pytest.raises(InputFileError, match="SHA256SUMS: line 2 is not a digest and a name"):
        read_file(path)


@pytest.mark.parametrize("small", [True, False], ids=["git object id", "SHA-256"])
def test_a_file_of_the_hub_has_the_digest_that_names_its_blob(tmp_path: Path, small: bool) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    digest = hashlib.sha1(b"blob 10\0" + DATA).hexdigest() if small else sha256(DATA)
    for name, fits in ((digest, True), (digest[::-1], False), ("etag", True)):
        (blobs / name).write_bytes(DATA)
        (tmp_path / "file").unlink(missing_ok=True)
        (tmp_path / "file").symlink_to(blobs / name)
        if fits:
            assert read_file(tmp_path / "file")[0] == DATA
        else:
            with pytest.raises(IntegrityError, match="file: digest mismatch with the hub ") as caught:
                read_file(tmp_path / "file")
            assert f"delete {blobs / name}" in caught.value.fix
            assert (caught.value.found, caught.value.expected) == (digest, digest[::-1])


def test_objects_are_written_sorted_indented_and_in_utf_8() -> None:
    assert dump_json({"b": [1], "a": "é"}) == '{\n  "a": "é",\n  "b": [\n    1\n  ]\n}\n'.encode()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(dump_json({"a": "é"}))
    assert read_json(tmp_path / "a.json") == {"a": "é"}


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="nan"):
        dump_json({"a": float("nan")})


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    assert read_file(tmp_path / "a.json", max_bytes=8)[0] == b'{"a": 1}'
    with pytest.raises(InputFileError, match="too large"):
        read_file(tmp_path / "a.json", max_bytes=7)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
        (b'{"a": \xff}', "is not UTF-8 at byte 6"),
        (b'{\n "a" 1}', "is not JSON: Expecting ':' delimiter: line 2 column 6"),
        (b'{"a": NaN}', "contains NaN, which JSON does not have"),
        (b'{"a": 1, "a": 2}', "has the key 'a' twice"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "is not JSON: Exceeds the limit"),
        (b"[]", "is not an object"),
    ],
)
def test_what_is_not_an_object_in_strict_json_is_refused_with_its_place(tmp_path: Path, data: bytes, what: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(InputFileError) as caught:
        read_json(path)
    assert caught.value.what.startswith(what)
    assert caught.value.file == str(path)
