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
from squeezebert_mobile.errors import EnvironmentFault, InputFileError, IntegrityError, SqueezeBertMobileError

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


def refused(path: Path, *words: str) -> SqueezeBertMobileError:
    """The error of unpacking, after checking that it left nothing and names the archive."""
    target = path.parent / "target"
    before = sorted(path.parent.rglob("*"))
    with pytest.raises(SqueezeBertMobileError) as caught:
        archive.unpack(path, target)
    assert sorted(path.parent.rglob("*")) == before
    line = str(caught.value)
    assert path.name in line
    assert "; fix: " in line
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


def test_an_existing_archive_needs_force_and_another_file_is_never_replaced(folder: Path, packed: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"exists; fix: .*--force"):
        archive.pack(folder, packed)
    archive.pack(folder, packed, force=True)
    thesis = packed.with_name("thesis.zip")
    thesis.write_text("years of work")
    with pytest.raises(EnvironmentFault, match="never replaced"):
        archive.pack(folder, thesis, force=True)
    assert thesis.read_text() == "years of work"


def test_unpacking_never_replaces_what_is_no_bundle(packed: Path) -> None:
    target = packed.parent / "target"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    with pytest.raises(EnvironmentFault):
        archive.unpack(packed, target, force=True)
    assert [path.name for path in target.iterdir()] == ["thesis.txt"]


def with_extra(name: str, data: bytes = b"evil") -> Callable[[Path], Path]:
    return lambda path: zipped(path, {**FILES, name: data})


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
    return zipped(path, {**FILES, **{f"n/{n}": b"" for n in range(65_000)}})


def encrypted(path: Path) -> Path:
    data = bytearray(zipped(path, FILES).read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(signature) + offset] |= 1
    path.write_bytes(data)
    return path


def bomb(path: Path) -> Path:
    zeros = bytes(20 << 20)
    files = {**CONTENT, "zeros": zeros}
    entries = (*described().files, bundles.entry("zeros", zeros))
    bundle = manifest.dump(described(files=entries))
    return zipped(path, {**files, "bundle.json": bundle}, zipfile.ZIP_DEFLATED)


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


def tarred(path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def cut(path: Path) -> Path:
    path.write_bytes(zipped(path, FILES).read_bytes()[:-30])
    return path


REFUSED: dict[str, tuple[Callable[[Path], Path], type[SqueezeBertMobileError], str]] = {
    "zip-slip": (with_extra("../evil"), InputFileError, "climbs"),
    "prefix trick": (with_extra("../target_evil/x"), InputFileError, "climbs"),
    "climbs inside": (with_extra("onnx/../../evil"), InputFileError, "climbs"),
    "absolute": (with_extra("/tmp/evil"), InputFileError, "absolute"),
    "backslash": (with_extra("..\\evil"), InputFileError, "character"),
    "drive": (with_extra("C:evil"), InputFileError, "character"),
    "case collision": (with_extra("VOCAB.txt"), InputFileError, "case does not count"),
    "reserved": (with_extra("aux"), InputFileError, "reserves"),
    "unlisted": (with_extra("extra.txt"), IntegrityError, "not listed"),
    "missing": (lambda p: zipped(p, {n: d for n, d in FILES.items() if n != "vocab.txt"}), IntegrityError, "missing"),
    "longer": (with_extra("vocab.txt", b"[PAD]\n[UNK]\n"), IntegrityError, "another size"),
    "other bytes": (with_extra("vocab.txt", b"[UNK]\n"), IntegrityError, "SHA-256 mismatch"),
    "other manifest": (with_extra("bundle.json", b"{}"), IntegrityError, "schema_version"),
    "huge signature": (with_extra("model.sig", bytes(2 << 20)), InputFileError, "too large"),
    "symlink": (linked, InputFileError, "link"),
    "device": (device, InputFileError, "device"),
    "duplicate": (twice, InputFileError, "twice"),
    "100,000 entries": (many, InputFileError, "too many"),
    "encrypted": (encrypted, InputFileError, "encrypted"),
    "bzip2": (lambda p: zipped(p, FILES, zipfile.ZIP_BZIP2), InputFileError, "deflated"),
    "1000:1": (bomb, InputFileError, "grows"),
    "understated size": (understated, SqueezeBertMobileError, "vocab.txt"),
    "prefixed": (prefixed, InputFileError, "not a zip"),
    "trailing": (trailing, InputFileError, "plain zip"),
    "tar": (tarred, InputFileError, "not a zip"),
    "tar.gz": (lambda p: tarred(p, "w:gz"), InputFileError, "not a zip"),
    "cut": (cut, InputFileError, "cut off"),
    "empty": (lambda p: (p.write_bytes(b"") and p) or p, InputFileError, "not a zip"),
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
