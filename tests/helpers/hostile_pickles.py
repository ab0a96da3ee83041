"""torch.save files built opcode by opcode: such as no library writes, and a grammar that makes more of them.

python tests/helpers/hostile_pickles.py FILE ...: reads each with the package and prints its verdict as JSON lines.
"""

import io
import json
import random
import resource
import struct
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
STATE_NAME = "transformer.embeddings.word_embeddings.weight"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    if 0 <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def put(index: int) -> bytes:
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    return b"j" + struct.pack("<I", index)


def named(name: str) -> bytes:
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def storage(key: str = "0", count: int = 4, kind: str = "torch.FloatStorage") -> bytes:
    return tuple_of(text("storage"), named(kind), text(key), text("cpu"), number(count)) + b"Q"


ORDERED = named("collections.OrderedDict") + b")R"


def tensor(held: bytes, offset: bytes = number(0), size: bytes | None = None, stride: bytes | None = None) -> bytes:
    arguments = (held, offset, size or tuple_of(number(4)), stride or tuple_of(number(1)), b"\x89", ORDERED)
    return named("torch._utils._rebuild_tensor_v2") + tuple_of(*arguments) + b"R"


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def entry(key: bytes, value: bytes) -> bytes:
    return pickled(b"}" + key + value + b"s")


def archive(pickle: bytes, records: int = 1, size: int = 16) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        out.writestr("archive/data.pkl", pickle)
        for key in range(records):
            out.writestr(f"archive/data/{key}", bytes(size))
    return stream.getvalue()


def legacy(pickle: bytes) -> bytes:
    keys = pickled(b"]" + text("0") + b"a")
    heads = pickled(MAGIC) + pickled(number(1001)) + pickled(b"}" + text("little_endian") + b"\x88s")
    return heads + pickle + keys + struct.pack("<q", 4) + bytes(16)


def doubled(depth: int) -> bytes:
    """A tuple of twice the same tuple, and so on: 2 ** depth values in a few bytes."""
    return b")" + b"".join(put(level) + get(level) + b"\x86" for level in range(depth))


def many_entries(count: int) -> bytes:
    """An archive whose end says that it has three entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        out.writestr("a/data.pkl", pickled(b"}"))
        for index in range(count):
            out.writestr(f"a/{index}", b"")
    data = bytearray(stream.getvalue())
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<HH", data, end + 8, 3, 3)
    return bytes(data)


def by_hand() -> Iterator[tuple[str, bytes, str]]:
    """A name, a pickle of under 1 MB, and a word of the line that refuses it."""
    shaped = "has a tensor of an impossible shape"
    colliding = b"".join(number(index * ((1 << 61) - 1)) + b"N" for index in range(50_000))
    yield "a key of 2^60 values", entry(doubled(60), b"N"), "has a tuple as a key"
    yield "a key of 2^27 values", entry(doubled(27), b"N"), "has a tuple as a key"
    yield "a key of nested tuples", entry(b")" + b"\x85" * 145_000, b"N"), "has a tuple as a key"
    yield "a value of nested tuples", entry(text("a"), b")" + b"\x85" * 145_000), "is not a state dict"
    yield "a value of nested lists", entry(text("a"), b"]" * 70_000 + b"a" * 69_999), "is not a state dict"
    yield "a value of nested dicts", pickled(b"}" + (text("a") + b"}") * 45_000 + b"s" * 45_000), "is not a state dict"
    yield "too many opcodes", entry(text("a"), b")" + b"\x85" * 900_000), "has over 150000 opcodes"
    yield "marks without end", pickled(b"(" * 900_000), "has over 150000 opcodes"
    yield "a key of bytes", entry(b"C\x01a", b"N"), "has the opcode SHORT_BINBYTES"
    yield "a key of a float", entry(b"G" + bytes(8), b"N"), "has a float as a key"
    yield "keys of one hash", pickled(b"}(" + colliding + b"u"), "has a int as a key"
    yield "a key of a set", entry(b"\x8f", b"N"), "has the opcode EMPTY_SET"
    yield "a key of a tensor", entry(tensor(storage()), b"N"), "has a Tensor as a key"
    yield "attributes", pickled(ORDERED + b"}" + text("keys") + b"Nsb"), "sets attributes"
    yield "attributes of a list", pickled(b"]}" + text("_metadata") + b"}sb"), "sets attributes"
    yield "attributes that are none", pickled(ORDERED + b"Nb"), "sets attributes"
    yield (
        "attributes of a tensor",
        entry(text("a"), tensor(storage()) + b"}" + text("data") + b"Nsb"),
        "sets attributes",
    )
    yield "a call of a dict", pickled(named("collections.OrderedDict") + tuple_of(b"]") + b"R"), "something else than"
    yield "a call of a list", pickled(b"])R"), "makes something else than"
    yield "a new object", pickled(named("collections.OrderedDict") + b")\x81"), "has the opcode NEWOBJ"
    yield "an extension", pickled(b"\x82\x01"), "asks for copyreg extension 1"
    yield "a class of the old kind", pickled(b"(iposix\nsystem\n"), "asks for posix.system"
    yield "a foreign name", pickled(b"\x8c\x05posix\x8c\x06system\x93"), "asks for posix.system"
    yield "a name of names", pickled(named("torch.FloatStorage") + b"\x85" + text("a") + b"\x93"), "asks for "
    yield "a module's source", pickled(tuple_of(text("module"), text("a")) + b"Q"), "something else than a storage"
    yield "a storage without end", entry(text("a"), tensor(storage(count=1 << 62))), "is truncated"
    yield "a storage of less than nothing", entry(text("a"), tensor(storage(count=-4))), "something else than a storage"
    yield "a storage of two sizes", pickled(storage() + storage(count=2) + b"\x86"), "gives one storage two sizes"
    yield "a storage that is not there", entry(text("a"), tensor(storage("../7"))), "has no whole record data/../7"
    yield "an offset of less than nothing", entry(text("a"), tensor(storage(), number(-1))), shaped
    yield "an offset outside", entry(text("a"), tensor(storage(), number(1))), "is larger than its storage"
    size = tuple_of(number(1 << 40), number(1 << 40))
    yield (
        "a shape without end",
        entry(text("a"), tensor(storage(), size=size, stride=tuple_of(*[number(0)] * 2))),
        shaped,
    )
    nothing = tuple_of(number(0), *[number(1 << 62)] * 10)
    yield "nothing, a shape without end", entry(text("a"), tensor(storage(), size=nothing, stride=nothing)), shaped
    nothing = tuple_of(number(0), *[number(1 << 47)] * 7)
    yield "nothing, a long shape", entry(text("a"), tensor(storage(), size=nothing, stride=nothing)), shaped
    yield "a step without end", entry(text("a"), tensor(storage(), stride=tuple_of(number(1 << 62)))), shaped
    yield "a shape of texts", entry(text("a"), tensor(storage(), size=tuple_of(text("4")))), shaped
    yield "a shape of truths", entry(text("a"), tensor(storage(), size=tuple_of(b"\x88"))), shaped
    again = named("torch._utils._rebuild_tensor") + put(0)
    again += tuple_of(storage(), number(0), tuple_of(number(4)), tuple_of(number(1))) + put(1)
    yield "too many tensors", pickled(again + (get(0) + get(1) + b"R") * 40_000), "has over 5000 tensors"
    yield "a stack that is empty", pickled(b"t"), "takes what is not there"
    yield "a mark that is taken", pickled(b"NN(s"), "takes what is not there"
    yield "what was never kept", pickled(get(1 << 31)), "takes what is not there"
    yield "two values", pickled(b"NN"), "does not end with one value"
    yield "no value", pickled(b""), "does not end with one value"
    yield "a dict of one", pickled(b"(Nd"), "sets items of what is no dict"
    yield "a list as a dict", pickled(b"]NNs"), "sets items of what is no dict"
    yield "a dict as a list", pickled(b"}Na"), "appends to what is no list"
    yield "a number of a million digits", pickled(b"L" + b"9" * 900_000 + b"L\n"), "Exceeds the limit"


_VALUES = (
    b"N", b"\x88", b")", b"]", b"}", b"K\1", number(3), number(1 << 70), text("a"), text("_metadata"), text(STATE_NAME),
    storage(), storage("1"), tensor(storage()), ORDERED, named("torch.Size"), named("torch._utils._rebuild_tensor_v2"),
    named("torch.FloatStorage"), named("builtins.eval"), b"(", tuple_of(number(4)), tuple_of(number(1)),
)  # fmt: skip
_MOVES = (
    b"\x85",
    b"\x86",
    b"\x87",
    b"t",
    b"a",
    b"e",
    b"s",
    b"u",
    b"b",
    b"R",
    b"Q",
    b"0",
    b"1",
    b"2",
    b"d",
    b"l",
    b"\x93",
)


def generated(rng: random.Random) -> bytes:
    """A file of opcodes that mostly find what they take."""
    parts, kept = [b"}"], 0
    for _ in range(rng.choice((5, 30, 200))):
        match rng.randrange(6):
            case 0:
                parts += [put(kept)]
                kept += 1
            case 1 if kept:
                parts += [get(rng.randrange(kept))]
            case 2:
                parts += [text("a"), rng.choice(_VALUES), b"s"]
            case 3:
                parts += [rng.choice(_MOVES)]
            case _:
                parts += [rng.choice(_VALUES)]
    pickle = pickled(b"".join(parts))
    return archive(pickle) if rng.random() < 0.7 else legacy(pickle)


def main() -> None:
    import torch

    torch.empty(1)
    from squeezebert_mobile.checkpoint import load
    from squeezebert_mobile.errors import SqueezeBertMobileError

    for name in sys.argv[1:]:
        start, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            verdict, line = 0, str(load.load(Path(name)).source.notes)
        except SqueezeBertMobileError as error:
            verdict, line = error.exit_code, str(error)
        seconds = time.process_time() - start
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        sys.stdout.write(json.dumps([name, verdict, line, seconds, more * 1024]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
