"""Zip archives, written field by field: no library writes the ones that a reader must refuse."""

import random
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from handmade_bundle import CONTENT

from corpus.cases import ACCEPTED, INPUT, INTEGRITY, Case
from corpus.folders import files

_LOCAL = struct.Struct("<4s5H3L2H")
_RECORD = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_UTF_8 = 0x800


@dataclass(frozen=True)
class Entry:
    """A file; each None is what is right for the others."""

    name: bytes
    data: bytes = b""
    deflated: bool = False
    flags: int = 0
    mode: int = stat.S_IFREG | 0o644
    method: int | None = None
    crc: int | None = None
    packed: int | None = None
    size: int | None = None
    offset: int | None = None
    extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    local_extra: bytes = b""
    local_crc: int | None = None
    junk: bytes = b""

    def stored(self) -> bytes:
        if not self.deflated:
            return self.data
        deflate = zlib.compressobj(wbits=-15)
        return deflate.compress(self.data) + deflate.flush() + self.junk


@dataclass(frozen=True)
class Zip:
    """An archive; numbers that are None are what is right."""

    entries: tuple[Entry, ...]
    before: bytes = b""
    between: bytes = b""
    after: bytes = b""
    comment: bytes = b""
    comment_length: int | None = None
    count: int | None = None
    here: int | None = None
    disk: int = 0
    first_disk: int = 0
    length: int | None = None
    offset: int | None = None
    locator: bytes = b""

    def written(self) -> bytes:
        out, records = bytearray(self.before), bytearray()
        for entry in self.entries:
            records += self._record(entry, len(out))
            out += _local(entry) + entry.stored()
        out += self.between
        start, directory = len(out), bytes(records) + self.locator
        count = len(self.entries) if self.count is None else self.count
        end = _END.pack(
            b"PK\x05\x06", self.disk, self.first_disk, count if self.here is None else self.here, count,
            len(directory) if self.length is None else self.length, start if self.offset is None else self.offset,
            len(self.comment) if self.comment_length is None else self.comment_length,
        )  # fmt: skip
        return bytes(out) + directory + end + self.comment + self.after

    def _record(self, entry: Entry, offset: int) -> bytes:
        crc, packed, size, method = _facts(entry)
        fixed = _RECORD.pack(
            b"PK\x01\x02", 0x0314, 20, entry.flags, method, 0, 0x21, crc, packed, size, len(entry.name),
            len(entry.extra),
            len(entry.comment), 0, 0, entry.mode << 16, offset if entry.offset is None else entry.offset,
        )  # fmt: skip
        return fixed + entry.name + entry.extra + entry.comment


def _facts(entry: Entry) -> tuple[int, int, int, int]:
    """CRC, size in the archive, size and method."""
    crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
    packed = len(entry.stored()) if entry.packed is None else entry.packed
    size = len(entry.data) if entry.size is None else entry.size
    return crc, packed, size, (8 if entry.deflated else 0) if entry.method is None else entry.method


def _local(entry: Entry) -> bytes:
    crc, packed, size, method = _facts(entry)
    name = entry.name if entry.local_name is None else entry.local_name
    local_crc = crc if entry.local_crc is None else entry.local_crc
    extra = entry.local_extra
    fixed = _LOCAL.pack(b"PK\x03\x04", 20, entry.flags, method, 0, 0x21, local_crc, packed, size, len(name), len(extra))
    return fixed + name + extra


def _entries(content: dict[str, bytes], folder: bytes = b"", **fields: object) -> tuple[Entry, ...]:
    return tuple(replace(Entry(folder + name.encode(), data), **fields) for name, data in content.items())  # type: ignore[arg-type]


def _folder(name: bytes, **fields: object) -> Entry:
    return replace(Entry(name, mode=stat.S_IFDIR | 0o755), **fields)  # type: ignore[arg-type]


def _but(name: bytes, **fields: object) -> Zip:
    """A sound archive whose entry ``name`` is otherwise."""
    changed = (replace(e, **fields) if e.name == name else e for e in _entries(files()))  # type: ignore[arg-type]
    return Zip(tuple(changed))


def _shapes() -> Iterator[tuple[str, Zip, str]]:
    sound = _entries(files())
    whole = Zip(sound)
    yield "stored", whole, ACCEPTED
    yield "deflated", Zip(_entries(files(), deflated=True)), ACCEPTED
    yield "comment", replace(whole, comment=b"PK\x05\x06 a comment"), INPUT
    yield "longest comment", replace(whole, comment=b"x" * 0xFFFF), ACCEPTED
    yield "1 byte after", replace(whole, after=b"x"), INPUT
    yield "1 byte before", replace(whole, before=b"x"), INPUT
    yield "script before", replace(whole, before=b"#!/bin/sh\n"), INPUT
    yield "junk between", replace(whole, between=b"junk"), ACCEPTED
    yield "a zip before", replace(whole, before=whole.written()), ACCEPTED
    yield "two ends", replace(whole, after=whole.written()), INPUT
    yield "64-bit locator", replace(whole, locator=b"PK\x06\x07" + bytes(16)), INPUT
    for name in ("disk", "first_disk"):
        yield name, replace(whole, **{name: 1}), INPUT  # type: ignore[arg-type]
    for name, value in (
        ("count", 3),
        ("count", 5),
        ("here", 1),
        ("length", 10),
        ("length", 1 << 21),
        ("offset", 1),
        ("comment_length", 1),
    ):
        yield f"{name} {value}", replace(whole, **{name: value}), INPUT  # type: ignore[arg-type]
    yield "20,000 entries said to be 4", Zip((*sound, *(_folder(b"d%d/" % n) for n in range(18_000))), count=4), INPUT
    yield "no entries", Zip(()), INPUT
    yield "1000 entries", Zip((*sound, *(_folder(b"d%d/" % n) for n in range(1000 - len(sound))))), ACCEPTED
    yield "1001 entries", Zip((*sound, *(_folder(b"d%d/" % n) for n in range(1001 - len(sound))))), INPUT


def _names() -> Iterator[tuple[str, Zip, str]]:
    sound = _entries(files())
    for folder in (
        b"bundle/",
        b"my bundle/",
        b".b/",
        b"CON/",
        b"-rf/",
        "模型/".encode(),
        "é/".encode(),
        b"\xc7\xe9\xb8\xd0/",
        b"\xff/",
        b"a\nb/",
    ):
        yield f"in {folder!r}", Zip(_entries(files(), folder)), ACCEPTED
    yield "in a UTF-8 folder", Zip(_entries(files(), "模型/".encode(), flags=_UTF_8)), ACCEPTED
    yield "in a folder that is no UTF-8", Zip(_entries(files(), b"\xff/", flags=_UTF_8)), INPUT
    for folder in (b"/", b"./", b"../", b"a/b/", b"a/../", b"//", b"a//", b"a\0b/"):
        yield f"in {folder!r}", Zip(_entries(files(), folder)), INPUT
    yield "with its folder", Zip((_folder(b"b/"), *_entries(files(), b"b/"))), ACCEPTED
    yield "with its folders", Zip((_folder(b"b/"), _folder(b"b/onnx/"), *_entries(files(), b"b/"))), ACCEPTED
    yield "two folders", Zip((*_entries(files(), b"b/"), Entry(b"c/x"))), INPUT
    yield "beside its folder", Zip((*_entries(files(), b"b/"), Entry(b"x"))), INPUT
    yield "a bundle in a bundle", Zip((*sound, Entry(b"b/bundle.json"))), INTEGRITY
    yield "no manifest", Zip(sound[:-1]), INPUT
    yield "in a folder alike", Zip((*_entries(files(), b"b/"), Entry(b"b_evil/x"))), INPUT
    for name in (
        b"../x", b"/x", b"a/../x", b"a\\x", b"C:x", b"a\0x", b"a\x1bx", b"\x7f", b"con", b"aux.txt", b"a.", b"a ",
        b"VOCAB.txt", b"vocab.txt",
        b"vocab.txt/", b"vocab.txt/x", b"bundle.json", b"bundle.json/", b"Bundle.json", b"ONNX/x", b"ONNX/", b"onnx",
        b"onnx/model.onnx/x",
        "é".encode(), b"\xe9", b"\xff", "\u017f".encode(), "\u202ex".encode(), "\ufeffx".encode(), b"-rf", b"$(x)", b"",
        b"/", b"//", b".", b"./", b"..", b"x//",
        b"conin$", "COM¹".encode(), b"a" * 256,
    ):  # fmt: skip
        yield f"with {name!r}"[:80], Zip((*sound, Entry(name, mode=0))), INPUT
        yield f"with UTF-8 {name!r}"[:80], Zip((*sound, Entry(name, mode=0, flags=_UTF_8))), INPUT
    yield "with a folder twice", Zip((_folder(b"onnx/"), _folder(b"onnx/"), *sound)), ACCEPTED
    for name in (b"x", b"onnx/x", b".DS_Store", b"MODEL.SIG", b"a/b/c"):
        yield f"with {name!r}", Zip((*sound, Entry(name))), INTEGRITY
    yield "with an empty folder", Zip((*sound, _folder(b"empty/"))), ACCEPTED
    yield "with a signature", Zip((*sound, Entry(b"model.sig", b"signature"))), ACCEPTED
    yield "with a huge signature", Zip((*sound, Entry(b"model.sig", bytes(2 << 20)))), INPUT
    yield "with a huge manifest", _but(b"bundle.json", data=files()["bundle.json"] + b" " * (4 << 20)), INPUT
    for name in (b"vocab.txt", b"onnx/model.onnx"):
        yield f"without {name!r}", Zip(tuple(e for e in sound if e.name != name)), INTEGRITY


def _fields() -> Iterator[tuple[str, Zip, str]]:
    sound = _entries(files())
    vocab = next(e for e in sound if e.name == b"vocab.txt")
    for name in (b"vocab.txt", b"bundle.json", b"onnx/model.onnx"):
        for field, value in (
            ("crc", 1),
            ("method", 8),
            ("method", 12),
            ("method", 99),
            ("packed", 0),
            ("packed", 1 << 31),
            ("packed", 0xFFFFFFFF),
        ):
            yield f"{name!r} {field} {value}", _but(name, **{field: value}), INPUT
        for flag in (1, 0x20, 0x40):
            yield f"{name!r} flags {flag}", _but(name, flags=flag), INPUT
        for flag in (2, 4, 8, 0x10, _UTF_8, 0x2000):
            yield f"{name!r} flags {flag}", _but(name, flags=flag), ACCEPTED
        for mode in (
            stat.S_IFLNK,
            stat.S_IFCHR,
            stat.S_IFBLK,
            stat.S_IFIFO,
            stat.S_IFSOCK,
            stat.S_IFDIR,
            0o010000 | 0o777,
        ):
            yield f"{name!r} mode {mode:o}", _but(name, mode=mode | 0o777), INPUT
        for mode in (0, 0o777, stat.S_IFREG | 0o4777):
            yield f"{name!r} mode {mode:o}", _but(name, mode=mode), ACCEPTED
        for extra, verdict in (
            (b"UT\x01\x00\x00", ACCEPTED), (b"ux\x00\x00", ACCEPTED), (b"\x01\x00\x00\x00", INPUT),
            (b"\x01\x00\x08\x00" + bytes(8), INPUT),
            (b"up\x00\x00", INPUT), (b"up\x06\x00\x01" + bytes(4) + b"x", INPUT), (b"UT\x05\x00\x00", INPUT),
            (b"UT\xff\xff", INPUT), (b"U", INPUT), (b"UT\x00", INPUT),
        ):  # fmt: skip
            yield f"{name!r} extra {extra!r}", _but(name, extra=extra), verdict
        yield f"{name!r} local extra", _but(name, local_extra=b"UT\x01\x00\x00"), ACCEPTED
        yield f"{name!r} local junk extra", _but(name, local_extra=b"U"), ACCEPTED
        yield f"{name!r} commented", _but(name, comment=b"hello"), ACCEPTED
        yield f"{name!r} has another name inside", _but(name, local_name=b"config.json"), INPUT
        yield f"{name!r} has another CRC inside", _but(name, local_crc=1), ACCEPTED
        for offset in (1, 1 << 31, 0xFFFFFFFF):
            yield f"{name!r} at {offset}", _but(name, offset=offset), INPUT
    yield "shared bytes", Zip((*sound, replace(vocab, name=b"x", offset=0))), INPUT
    yield "a link as folder", Zip((*sound, _folder(b"l/", mode=stat.S_IFLNK | 0o777))), INPUT
    yield "a file as folder", Zip((*sound, _folder(b"l/", mode=stat.S_IFREG | 0o777))), INPUT
    yield "changed", _but(b"vocab.txt", data=b"[PAX]\n"), INTEGRITY
    yield "longer", _but(b"vocab.txt", data=b"[PAD]\n\n"), INTEGRITY
    yield "cut", _but(b"vocab.txt", data=b"[PAD"), INTEGRITY
    yield "stored with two sizes", _but(b"vocab.txt", data=b"[PAD]\n\n", size=6), INPUT
    yield "grows beyond what it says", _but(b"vocab.txt", data=bytes(1 << 20), deflated=True, size=6), INPUT
    yield "shrinks below what it says", _but(b"vocab.txt", data=b"[PAD]", deflated=True, size=6), INPUT
    yield "deflated bytes cut off behind the last", _but(b"vocab.txt", deflated=True, packed=7), INPUT
    yield (
        "deflated bytes go on with the right checksum",
        _but(
            b"vocab.txt", data=CONTENT["vocab.txt"] + b"x", deflated=True, size=6, crc=zlib.crc32(CONTENT["vocab.txt"])
        ),
        INPUT,
    )
    yield "junk behind the deflated bytes", _but(b"vocab.txt", deflated=True, junk=b"junk"), ACCEPTED
    yield "no deflated bytes", _but(b"vocab.txt", method=8, data=b"\xff" * 6), INPUT
    bomb = files({"zeros": bytes(20 << 20)})
    yield "1000 to 1", Zip(_entries(bomb, deflated=True)), INPUT
    yield "1 MiB of zeros", Zip(_entries(files({"zeros": bytes(1 << 20)}), deflated=True)), ACCEPTED


def by_hand() -> Iterator[Case]:
    for shapes in (_shapes(), _names(), _fields()):
        for name, made, verdict in shapes:
            yield Case(name, made.written(), verdict)
    data = Zip(_entries(files())).written()
    for cut in (0, 1, 4, 30, 100, len(data) - 30, len(data) - 22, len(data) - 1):
        yield Case(f"the first {cut} bytes", data[:cut], INPUT)


def generated(rng: random.Random) -> Case:
    """A sound archive with up to two odd fields, or with a changed byte or two."""
    folder = rng.choice([b"", b"", b"b/", "é/".encode()])
    entries = list(_entries(files(), folder, deflated=rng.random() < 0.5))
    if rng.random() < 0.3:
        entries.insert(0, _folder(rng.choice([b"b/", b"onnx/", b"empty/"])))
    said = []
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        at = rng.randrange(len(entries))
        field, value = rng.choice(_odd(rng))
        entries[at] = replace(entries[at], **{field: value})  # type: ignore[arg-type]
        said.append(f"{entries[at].name!r} {field} = {value!r}")
    made = Zip(tuple(entries))
    if rng.random() < 0.3:
        field, value = rng.choice(_odd_ends(rng))
        made = replace(made, **{field: value})  # type: ignore[arg-type]
        said.append(f"{field} = {value!r}")
    data = made.written()
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            at = rng.randrange(len(data) - 700, len(data))
        data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        said.append(f"byte {at}")
    return Case("; ".join(said)[:300], data, several=len(said) > 1)


def _odd(rng: random.Random) -> list[tuple[str, object]]:
    small = rng.choice([0, 1, 5, 6, 7, 36, 100, 0xFFFFFFFE, 0xFFFFFFFF])
    name = bytes(rng.choices(b"abA./\\ -\x00\xc3\xa9\xff", k=rng.randrange(6)))
    return [
        ("flags", 1 << rng.randrange(16)), ("mode", rng.randrange(16) << 12 | 0o644),
        ("method", rng.choice([0, 8, 9, 12])), ("crc", rng.getrandbits(32)),
        ("packed", small), ("size", small), ("offset", small), ("extra", rng.randbytes(rng.randrange(8))),
        ("comment", rng.randbytes(3)),
        ("extra", struct.pack("<2H", rng.choice([1, 0x7075, 0x5455]), rng.randrange(4)) + bytes(rng.randrange(4))),
        ("name", name), ("local_name", name),
        ("local_extra", rng.randbytes(rng.randrange(8))), ("data", rng.randbytes(6)), ("deflated", rng.random() < 0.5),
        ("local_crc", 1),
    ]  # fmt: skip


def _odd_ends(rng: random.Random) -> list[tuple[str, object]]:
    small = rng.randrange(6)
    return [
        ("before", rng.randbytes(small)), ("before", b"PK\x03\x04" + rng.randbytes(small)),
        ("between", rng.randbytes(small)), ("after", rng.randbytes(small)),
        ("comment", rng.randbytes(small)), ("comment", b"PK\x05\x06" + rng.randbytes(30)), ("comment_length", small),
        ("count", small), ("here", small),
        ("disk", small), ("first_disk", small), ("length", rng.randrange(2000)), ("offset", rng.randrange(2000)),
        ("locator", b"PK\x06\x07" + bytes(16)),
    ]  # fmt: skip
