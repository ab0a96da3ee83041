"""A zipped bundle is always the same bytes, and nothing of a bad one is unpacked."""

import io
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade_bundle import CONTENT, described, files_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from squeezebert_mobile.bundle import archive, manifest
from squeezebert_mobile.bundle import folder as bundles
from squeezebert_mobile.errors import (
    InputFileError,
    IntegrityError,
    SqueezeBertMobileError,
    UsageError,
)

FILES = {**CONTENT, "bundle.json": manifest.dump(described())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "bundle"
    with bundles.staged(target, force=False) as stage:
        bundles.fill(stage, CONTENT, described())
    return target


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    archive.pack(folder, tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def zipped(path: Path, files: dict[str, bytes] | list[tuple[str | zipfile.ZipInfo, bytes]], kind: int = 0) -> Path:
    entries = list(files.items()) if isinstance(files, dict) else files
    with zipfile.ZipFile(path, "w", kind) as out:
        for name, data in entries:
            out.writestr(name, data)
    return path


def with_manifest(files: dict[str, bytes]) -> dict[str, bytes]:
    entries = tuple(bundles.entry(name, data) for name, data in files.items() if name != "onnx/model.onnx")
    return {**files, "bundle.json": manifest.dump(described(files=entries))}


def refused(path: Path, *words: str) -> SqueezeBertMobileError:
    """The error of unpacking, after checking that it left nothing and names the archive."""
    target = path.parent / "target"
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(SqueezeBertMobileError) as caught:
        archive.unpack(path, target)
    assert sorted(path.parent.rglob("*")) == before
    line = str(caught.value)
    assert path.name in line
    assert caught.value.fix
    for word in words:
        assert word in line
    return caught.value


def test_a_bundle_comes_back_as_it_was(folder: Path, packed: Path, tmp_path: Path) -> None:
    unpacked = archive.unpack(packed, tmp_path / "again")
    assert files_of(unpacked.folder) == files_of(folder)
    assert unpacked.digest == bundles.read(folder).digest


def test_the_same_bundle_gives_the_same_bytes(
    folder: Path, packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "elsewhere"
    shutil.copytree(folder, other)
    for path in other.rglob("*"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o700)
    monkeypatch.chdir(other)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    old = os.umask(0o077)
    try:
        archive.pack(other, tmp_path / "other.zip")
    finally:
        os.umask(old)
    assert (tmp_path / "other.zip").read_bytes() == packed.read_bytes()


def test_entries_are_stored_sorted_and_dated_1980(packed: Path) -> None:
    with zipfile.ZipFile(packed) as opened:
        infos = opened.infolist()
    assert [info.filename for info in infos] == sorted(FILES)
    assert {info.compress_type for info in infos} == {zipfile.ZIP_STORED}
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {(info.create_system, info.external_attr >> 16) for info in infos} == {(3, stat.S_IFREG | 0o644)}


def test_a_signature_travels_with_its_bundle(folder: Path, tmp_path: Path) -> None:
    signature = bytes(bundles.MAX_SIGNATURE_BYTES)
    (folder / "model.sig").write_bytes(signature)
    archive.pack(folder, tmp_path / "signed.zip")
    assert files_of(archive.unpack(tmp_path / "signed.zip", tmp_path / "new").folder)["model.sig"] == signature


@pytest.mark.parametrize("name", ["vocab.txt", "bundle.json"])
def test_a_bundle_that_changes_while_it_is_packed_is_packed_as_it_was_or_not_at_all(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(archive, "require_free", lambda *_, **__: (folder / name).write_bytes(b"changed"))
    target = tmp_path / "bundle.zip"
    if name == "bundle.json":
        archive.pack(folder, target)
        assert files_of(archive.unpack(target, tmp_path / "new").folder) == FILES
    else:
        with pytest.raises(IntegrityError, match=name):
            archive.pack(folder, target)
        assert not target.exists()


def test_a_bundle_of_more_bytes_than_a_plain_zip_holds_is_not_packed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum(map(len, CONTENT.values()))
    monkeypatch.setattr(archive, "_MAX_BYTES", size)
    archive.pack(folder, tmp_path / "fits.zip")
    monkeypatch.setattr(archive, "_MAX_BYTES", size - 1)
    with pytest.raises(UsageError, match="over 2 GB"):
        archive.pack(folder, tmp_path / "more.zip")


@pytest.mark.parametrize("name", ["bundle.zip", "no suffix"])
def test_an_archive_opens_as_its_folder_does_and_leaves_nothing(packed: Path, name: str) -> None:
    path = packed.rename(packed.with_name(name))
    with archive.opened(path) as bundle:
        assert bundle.manifest == described()
        private = bundle.folder
        assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert not private.parent.exists()


def test_a_bundle_zipped_by_hand_opens(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "by hand"), "zip", tmp_path, "bundle")
    assert files_of(archive.unpack(tmp_path / "by hand.zip", tmp_path / "new").folder) == files_of(folder)


def test_a_bundle_may_have_1000_files_in_folders_of_folders_and_a_megabyte_of_zeros(tmp_path: Path) -> None:
    empty = {f"n/{n}": b"" for n in range(archive.MAX_ENTRIES - 5)}
    files = with_manifest({**CONTENT, "a/b/c.txt": bytes(1 << 20), **empty})
    path = zipped(tmp_path / "many.zip", files, zipfile.ZIP_DEFLATED)
    assert files_of(archive.unpack(path, tmp_path / "new").folder) == files


def test_an_archive_may_have_the_longest_comment_and_files_that_look_like_its_end(tmp_path: Path) -> None:
    files = with_manifest({**CONTENT, "end": b"PK\x05\x06" + bytes(100)})
    for number, comment in enumerate((b"", b"x" * 0xFFFF)):
        with zipfile.ZipFile(zipped(tmp_path / "bundle.zip", files), "a") as out:
            out.comment = comment
        assert files_of(archive.unpack(tmp_path / "bundle.zip", tmp_path / str(number)).folder) == files


def test_a_manifest_is_read_up_to_its_limit(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_MANIFEST_BYTES", len(FILES["bundle.json"]))
    archive.unpack(packed, tmp_path / "new")
    monkeypatch.setattr(bundles, "MAX_MANIFEST_BYTES", len(FILES["bundle.json"]) - 1)
    refused(packed, "bundle.json: is too large")


def test_a_directory_is_read_up_to_its_limit(packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed.read_bytes()
    (size,) = struct.unpack_from("<L", data, data.rfind(b"PK\x05\x06") + 12)
    monkeypatch.setattr(archive, "_MAX_DIRECTORY_BYTES", size)
    archive.unpack(packed, tmp_path / "new")
    monkeypatch.setattr(archive, "_MAX_DIRECTORY_BYTES", size - 1)
    refused(packed, "too many entries")


def test_a_folder_is_no_archive(folder: Path) -> None:
    assert not archive.is_archive(folder)


def test_unpacking_replaces_a_bundle_with_force_alone(packed: Path, tmp_path: Path) -> None:
    archive.unpack(packed, tmp_path / "target")
    with pytest.raises(UsageError, match="--force"):
        archive.unpack(packed, tmp_path / "target")
    archive.unpack(packed, tmp_path / "target", force=True)


def test_an_existing_archive_needs_force_and_another_file_is_never_replaced(folder: Path, packed: Path) -> None:
    with pytest.raises(UsageError, match=r"exists; fix: .*--force"):
        archive.pack(folder, packed)
    archive.pack(folder, packed, force=True)
    thesis = packed.with_name("thesis.zip")
    thesis.write_text("years of work")
    with pytest.raises(UsageError, match="never replaced"):
        archive.pack(folder, thesis, force=True)
    assert thesis.read_text() == "years of work"


def test_unpacking_never_replaces_what_is_no_bundle(packed: Path) -> None:
    target = packed.parent / "target"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError):
        archive.unpack(packed, target, force=True)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


def with_extra(name: str, data: bytes = b"evil") -> Callable[[Path], Path]:
    return lambda path: zipped(path, {**FILES, name: data})


def inside(folder: str, others: dict[str, bytes]) -> Callable[[Path], Path]:
    return lambda path: zipped(path, {**others, **{f"{folder}/{name}": data for name, data in FILES.items()}})


def linked(path: Path) -> Path:
    info = zipfile.ZipInfo("vocab.txt")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped(path, [(info, b"/etc/passwd"), *((n, d) for n, d in FILES.items() if n != "vocab.txt")])


def device(path: Path) -> Path:
    info = zipfile.ZipInfo("vocab.txt")
    info.create_system = 3
    info.external_attr = (stat.S_IFCHR | 0o666) << 16
    return zipped(path, [(info, b""), *((n, d) for n, d in FILES.items() if n != "vocab.txt")])


def twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(path, [*FILES.items(), ("vocab.txt", b"other")])


def many(path: Path) -> Path:
    return zipped(path, {**FILES, **{f"n/{n}": b"" for n in range(archive.MAX_ENTRIES + 1 - len(FILES))}})


def encrypted(path: Path) -> Path:
    data = bytearray(zipped(path, FILES).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path.write_bytes(data)
    return path


def bomb(path: Path) -> Path:
    return zipped(path, with_manifest({**CONTENT, "zeros": bytes(20 << 20)}), zipfile.ZIP_DEFLATED)


def understated(path: Path) -> Path:
    """The directory gives the size that the manifest wants, the stream inflates to 1 MB."""
    data = bytearray(zipped(path, {**FILES, "vocab.txt": bytes(1 << 20)}, zipfile.ZIP_DEFLATED).read_bytes())
    for signature, size, name in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = data.find(signature)
        while data[at + name : at + name + 9] != b"vocab.txt":
            at = data.find(signature, at + 4)
        struct.pack_into("<L", data, at + size, len(CONTENT["vocab.txt"]))
    path.write_bytes(data)
    return path


def prefixed(path: Path) -> Path:
    path.write_bytes(b"#!/bin/sh\nexit\n" + zipped(path, FILES).read_bytes())
    return path


def trailing(path: Path) -> Path:
    path.write_bytes(zipped(path, FILES).read_bytes() + b"more")
    return path


def claiming(offset: int) -> Callable[[Path], Path]:
    """The last record says 1 for the disk, the directory's first disk or the entries on this disk."""

    def make(path: Path) -> Path:
        data = bytearray(zipped(path, FILES).read_bytes())
        struct.pack_into("<H", data, data.rfind(b"PK\x05\x06") + offset, 1)
        path.write_bytes(data)
        return path

    return make


def wide(path: Path) -> Path:
    """A locator of the 64-bit extension at the end of the directory, as a part of it."""
    data = bytearray(zipped(path, FILES).read_bytes())
    at = data.rfind(b"PK\x05\x06")
    struct.pack_into("<L", data, at + 12, struct.unpack_from("<L", data, at + 12)[0] + 20)
    path.write_bytes(data[:at] + b"PK\x06\x07" + bytes(16) + data[at:])
    return path


def tarred(path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def cut(path: Path, count: int = 30) -> Path:
    path.write_bytes(zipped(path, FILES).read_bytes()[:-count])
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], type[SqueezeBertMobileError], str]] = {
    "zip-slip": (with_extra("../evil"), InputFileError, "climbs"),
    "prefix trick": (with_extra("../target_evil/x"), InputFileError, "climbs"),
    "climbs inside": (with_extra("onnx/../../evil"), InputFileError, "climbs"),
    "absolute": (with_extra("/tmp/evil"), InputFileError, "absolute"),
    "backslash": (with_extra("..\\evil"), InputFileError, "character"),
    "drive": (with_extra("C:evil"), InputFileError, "character"),
    "case collision": (with_extra("VOCAB.txt"), InputFileError, "differ only in case"),
    "reserved": (with_extra("aux"), InputFileError, "reserved"),
    "unlisted": (with_extra("extra.txt"), IntegrityError, "not listed"),
    "missing": (lambda p: zipped(p, {n: d for n, d in FILES.items() if n != "vocab.txt"}), IntegrityError, "missing"),
    "longer": (with_extra("vocab.txt", b"[PAD]\n[UNK]\n"), IntegrityError, "size mismatch"),
    "other bytes": (with_extra("vocab.txt", b"[UNK]\n"), IntegrityError, "SHA-256 mismatch"),
    "other manifest": (with_extra("bundle.json", b"{}"), IntegrityError, "schema_version"),
    "huge signature": (with_extra("model.sig", bytes(2 << 20)), InputFileError, "too large"),
    "symlink": (linked, InputFileError, "vocab.txt: is a link or a device, not a plain file; fix: "),
    "device": (device, InputFileError, "vocab.txt: is a link or a device, not a plain file; fix: "),
    "duplicate": (twice, InputFileError, "twice"),
    "1001 entries": (many, InputFileError, "too many"),
    "encrypted": (encrypted, InputFileError, ": is encrypted; fix: "),
    "bzip2": (lambda p: zipped(p, FILES, zipfile.ZIP_BZIP2), InputFileError, ": is neither stored nor deflated; fix: "),
    "1000:1": (bomb, InputFileError, "zeros: grows too much when it is unpacked; fix: "),
    "understated size": (understated, SqueezeBertMobileError, "vocab.txt"),
    "prefixed": (prefixed, InputFileError, "not a zip"),
    "trailing": (trailing, InputFileError, "plain zip"),
    "on another disk": (claiming(4), InputFileError, "plain zip"),
    "directory on another disk": (claiming(6), InputFileError, "plain zip"),
    "entries on another disk": (claiming(8), InputFileError, "plain zip"),
    "64-bit": (wide, InputFileError, "plain zip"),
    "tar": (tarred, InputFileError, "not a zip"),
    "tar.gz": (lambda p: tarred(p, "w:gz"), InputFileError, "not a zip"),
    "cut": (cut, InputFileError, "cut off"),
    "cut inside its last record": (lambda p: cut(p, 10), InputFileError, "cut off"),
    "empty": (lambda p: (p.write_bytes(b"") and p) or p, InputFileError, "not a zip"),
    "only a folder": (lambda p: zipped(p, {"bundle/": b""}), InputFileError, "no bundle.json"),
    "two folders deep": (
        lambda p: zipped(p, {f"a/b/{n}": d for n, d in FILES.items()}),
        InputFileError,
        "no bundle.json",
    ),
    "beside its folder": (
        lambda p: zipped(p, {"x.txt": b"", **{f"bundle/{n}": d for n, d in FILES.items()}}),
        InputFileError,
        "no bundle.json",
    ),
    "manifest climbs": (
        with_extra("bundle.json", manifest.dump(described(files=(bundles.entry("../evil", b""),)))),
        InputFileError,
        "bundle.json: names the path '../evil', which climbs",
    ),
    "no manifest": (lambda p: zipped(p, CONTENT), InputFileError, "no bundle.json"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", REFUSED)
def test_nothing_of_a_bad_archive_is_unpacked(tmp_path: Path, case: str) -> None:
    make, kind, words = REFUSED[case]
    assert isinstance(refused(make(tmp_path / "bad.zip"), words), kind)


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_archive_is_refused_or_gives_the_same_bundle(
    packed: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    damaged = bytearray(packed.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path = tmp_path_factory.mktemp("damaged") / "bundle.zip"
    path.write_bytes(damaged)
    try:
        with archive.opened(path) as bundle:
            assert files_of(bundle.folder) == FILES
    except SqueezeBertMobileError as error:
        assert "bundle.zip" in str(error)  # noqa: PT017
