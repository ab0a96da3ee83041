"""A pickle read as a list of opcodes: what a state dict needs is made, and nothing is imported or called by its name.

Python's own reader, torch's `weights_only` one as well, hashes and calls what the file says; sixty tuples inside each
other as a key keep it busy for ever, and a million end the process. Here keys are names or small numbers, each opcode
takes constant time or a time that what it takes off the stack has paid for, and there is a limit to them.
"""

import pickletools
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from math import prod

import torch
from torch import Tensor

_DTYPES = {
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_DICT, _SIZE, _PARAMETER = "collections.OrderedDict", "torch.Size", "torch._utils._rebuild_parameter"
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_CALLED = (_DICT, _SIZE, _PARAMETER, *_TENSORS)
# Opcodes that put their argument on the stack; the lengths of the tuples that others make.
_ARGUMENTS = frozenset(
    {
        "INT", "LONG", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
        "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    }
)  # fmt: skip
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# As much of a foreign name as a line has room for.
_LONGEST_NAME = 200
# The published SqueezeBERT has 206 tensors in 8,000 opcodes, and with the state of Adam 27,000.
_MAX_OPCODES, _MAX_TENSORS, _MAX_AXES = 150_000, 5_000, 8
# Optimizers number their states. Larger numbers could be chosen so that all have one hash.
_MAX_KEY = 1 << 20
# More than any file holds, and far from what overflows.
_MAX_NUMBER = 1 << 48


class CutOffError(ValueError):
    """A pickle that goes on past the end of the data."""


class ForeignNameError(ValueError):
    """A pickle that asks for ``name``, which no state dict needs."""

    def __init__(self, name: str) -> None:
        super().__init__(f"asks for {name}")
        self.name = name


class OversizedError(ValueError):
    """A pickle whose storages have ``found`` bytes, more than there are."""

    def __init__(self, found: int) -> None:
        super().__init__(f"declares {found} bytes")
        self.found = found


class _Name:
    """What a pickle calls, or the type of a storage."""

    def __init__(self, text: str) -> None:
        self.text = text


class Storage:
    """The memory of tensors: ``size`` bytes that the pickle's file holds elsewhere, of items of ``item`` bytes."""

    def __init__(self, size: int, item: int) -> None:
        self.bytes = torch.empty(size, dtype=torch.uint8)
        self.item = item

    def fill(self, data: memoryview, *, swapped: bool) -> None:
        """Copy what the file holds; ``swapped`` where its numbers start with their highest byte."""
        self.bytes.numpy()[:] = data
        if swapped and len(data):
            self.bytes.copy_(self.bytes.view(-1, self.item).flip(1).flatten())


def look(data: bytes) -> tuple[set[str], str | None]:
    """The texts of the pickle that starts ``data`` and the first foreign name, as far as it can be read."""
    texts: set[str] = set()
    foreign = None
    try:
        for name, argument in _opcodes(BytesIO(data)):
            text = str(argument).replace(" ", ".")
            if name in ("GLOBAL", "INST") and foreign is None and not _is_known(text):
                foreign = text[:_LONGEST_NAME]
            elif isinstance(argument, str):
                texts.add(argument)
    except ValueError:
        pass
    return texts, foreign


def is_pickle(data: bytes) -> bool:
    """True where ``data`` starts with one whole pickle."""
    try:
        return any(name == "STOP" for name, _ in _opcodes(BytesIO(data)))
    except ValueError:
        return False


def _opcodes(stream: BytesIO) -> Iterator[tuple[str, object]]:
    """Each opcode and its argument, the last STOP. Raises ValueError for others than a pickle's, and for too many."""
    try:
        for opcode, argument, _ in islice(pickletools.genops(stream), _MAX_OPCODES):
            yield opcode.name, argument
            if opcode.name == "STOP":
                return
    except (ValueError, EOFError, IndexError, OverflowError) as error:
        kind = CutOffError if stream.tell() >= len(stream.getbuffer()) else ValueError
        raise kind(str(error)) from None
    raise ValueError(f"has over {_MAX_OPCODES} opcodes")


class Reader:
    """Reads the pickles of one file; ``storages`` are by their keys, not filled yet, with at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.storages: dict[str, Storage] = {}
        self._left = self._limit = limit
        self._tensors = 0
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}

    def read(self, stream: BytesIO) -> object:
        """What the pickle at ``stream`` holds, which is left behind it.

        Raises ForeignNameError, OversizedError, CutOffError, or ValueError for what else is no state dict.
        """
        self._stack, self._marks, self._memo = [], [], {}
        for name, argument in _opcodes(stream):
            try:
                self._step(name, argument)
            except (IndexError, KeyError):
                raise ValueError(f"takes what is not there ({name})") from None
        if len(self._stack) != 1:
            raise ValueError("does not end with one value")
        return self._stack.pop()

    def _step(self, name: str, argument: object) -> None:
        """Values, marks and what is kept to be used again."""
        push = self._stack.append
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                push({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case _ if name in _ARGUMENTS:
                push(argument)
            case "MARK":
                self._marks.append(len(self._stack))
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = self._stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                push(self._memo[argument])
            case _:
                self._make(name, argument)

    def _make(self, name: str, argument: object) -> None:
        """Names and what is made by them, tuples, and empty lists and dicts."""
        push = self._stack.append
        match name:
            case "GLOBAL" | "INST":
                push(_named(str(argument).replace(" ", ".")))
            case "STACK_GLOBAL":
                module, attribute = self._take(2)
                push(_named(f"{str(module)[:_LONGEST_NAME]}.{str(attribute)[:_LONGEST_NAME]}"))
            case "EXT1" | "EXT2" | "EXT4":
                raise ForeignNameError(f"copyreg extension {argument}")
            case "REDUCE":
                push(self._call(*self._take(2)))
            case "BINPERSID":
                push(self._stored(*self._take(1)))
            case "TUPLE":
                push(tuple(self._marked()))
            case "EMPTY_TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                push(tuple(self._take(_TUPLES[name])))
            case "EMPTY_LIST":
                push([])
            case "EMPTY_DICT":
                push({})
            case _:
                self._fill(name)

    def _fill(self, name: str) -> None:
        """Lists and dicts with their items, and the one attribute that a state dict has."""
        match name:
            case "LIST":
                self._stack.append(self._marked())
            case "DICT":
                self._stack.append(_set({}, self._marked()))
            case "APPEND" | "APPENDS":
                items = self._take(1) if name == "APPEND" else self._marked()
                if not isinstance(target := self._stack[-1], list):
                    raise ValueError("appends to what is no list")
                target.extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._take(2) if name == "SETITEM" else self._marked()
                _set(self._stack[-1], items)
            case "BUILD":
                (state,) = self._take(1)
                # What torch notes of each module; a state dict is complete without it.
                if not isinstance(self._stack[-1], dict) or _keys(state) != {"_metadata"}:
                    raise ValueError("sets attributes")
            case _:
                raise ValueError(f"has the opcode {name}, which no state dict needs")

    def _take(self, count: int) -> list[object]:
        """The last values on the stack, down to the last mark at most."""
        if len(self._stack) - (self._marks[-1] if self._marks else 0) < count:
            raise IndexError
        start = len(self._stack) - count
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _marked(self) -> list[object]:
        """What stands above the last mark."""
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _call(self, function: object, arguments: object) -> object:
        match getattr(function, "text", None), arguments:
            case "collections.OrderedDict", ():
                return {}
            case "torch.Size", (tuple(size),):
                return size
            case "torch._utils._rebuild_parameter", (Tensor() as tensor, _, _):
                return tensor
            case name, ((Storage() as storage, torch.dtype() as dtype), offset, size, stride, *_) if name in _TENSORS:
                return self._tensor(storage.bytes.view(dtype), offset, size, stride)
        raise ValueError("makes something else than a tensor or a dict")

    def _stored(self, found: object) -> object:
        """('storage', type, key, location, number of items, None in old files): its memory and type."""
        match found:
            case ("storage", _Name(text=kind), str(key), _, int(count)) | (
                "storage",
                _Name(text=kind),
                str(key),
                _,
                int(count),
                None,
            ):
                dtype = _DTYPES.get(kind)
                if dtype is not None and type(count) is int and count >= 0:
                    return self._storage(key, count * dtype.itemsize, dtype.itemsize), dtype
        raise ValueError("names something else than a storage")

    def _storage(self, key: str, size: int, item: int) -> Storage:
        known = self.storages.get(key)
        if known is None:
            self._left -= size
            if self._left < 0:
                raise OversizedError(self._limit - self._left)
            known = self.storages[key] = Storage(size, item)
        elif known.bytes.numel() != size:
            raise ValueError("gives one storage two sizes")
        return known

    def _tensor(self, flat: Tensor, offset: object, size: object, stride: object) -> Tensor:
        self._tensors += 1
        if self._tensors > _MAX_TENSORS:
            raise ValueError(f"has over {_MAX_TENSORS} tensors")
        extents, steps = _numbers(size), _numbers(stride)
        (start,) = _numbers((offset,))
        if len(extents) != len(steps) or prod(extent or 1 for extent in extents) > _MAX_NUMBER:
            raise ValueError("has a tensor of an impossible shape")
        if 0 in extents:
            return flat.new_empty(extents)
        last = start + sum((extent - 1) * step for extent, step in zip(extents, steps, strict=True))
        if last >= len(flat):
            raise ValueError("has a tensor that is larger than its storage")
        return flat.as_strided(extents, steps, start)


def _named(text: str) -> _Name:
    if not _is_known(text):
        raise ForeignNameError(text[:_LONGEST_NAME])
    return _Name(text)


def _is_known(name: str) -> bool:
    return name in _CALLED or name in _DTYPES


def _keys(state: object) -> object:
    return state.keys() if isinstance(state, dict) else None


def _set(target: object, items: Sequence[object]) -> object:
    """Put keys and values in turn into a dict."""
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError("sets items of what is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str) and not (type(key) is int and 0 <= key < _MAX_KEY):
            raise ValueError(f"has a {type(key).__name__} as a key")
        target[key] = value
    return target


def _numbers(values: object) -> tuple[int, ...]:
    """Extents, steps or an offset."""
    if not isinstance(values, tuple) or len(values) > _MAX_AXES:
        raise ValueError("has a tensor of an impossible shape")
    if not all(type(value) is int and 0 <= value < _MAX_NUMBER for value in values):
        raise ValueError("has a tensor of an impossible shape")
    return values
