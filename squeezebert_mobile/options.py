"""What all options dataclasses share: a field carries its flags, help and bounds, for shell and Python alike."""

import copy
import inspect
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum
from functools import partial
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, Union, get_args, get_origin

import typer

from squeezebert_mobile.errors import UsageError
from squeezebert_mobile.parts import Shard

# Between two roles; a comma elsewhere is one between the columns of a role.
_NEXT_ROLE = re.compile(r",\s*(?=[a-z_]+=)")


def _pairs(value: str) -> list[tuple[str, str]]:
    """``ROLE=NAME,ROLE=NAME`` in pairs. Raises UsageError for anything else."""
    found = []
    for text in _NEXT_ROLE.split(value):
        role, equals, name = text.partition("=")
        if not (role and equals and name):
            raise UsageError("--column", "is not ROLE=NAME", found=text, fix="write it as text=review")
        found.append((role, name))
    return found


Threads = Annotated[int, typer.Option(min=1, help="threads of the runtime")]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="texts a call; default: 32, but 1 for dynamic int8, where neighbours change an answer"),
]
ShardOption = Annotated[
    Shard | None,
    typer.Option(
        parser=Shard.parse,
        metavar="I/N",
        help="every N-th row, from the I-th; default: what Slurm or a Job say",
    ),
]
PartOutput = Annotated[
    Path | None, typer.Option("-o", "--output", help="write JSON lines to this file, which --resume goes on with")
]
ReplacePart = Annotated[bool, typer.Option("--force", help="replace the lines of another run at the target")]
Workers = Annotated[int, typer.Option(min=1, help="processes that run an artifact, each with its own copy")]
MaxAccuracyDrop = Annotated[float | None, typer.Option(min=0, help="exit 6 where a drop is larger")]
Resume = Annotated[bool, typer.Option("--resume", help="go on with a run that was cut off")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress", rich_help_panel="Output")]
Columns = Annotated[
    tuple[tuple[str, str], ...],
    typer.Option(
        "--column",
        parser=_pairs,
        metavar="ROLE=NAME,...",
        help="the column that plays a role, as text=review, or the columns, as label=toxic,insult",
    ),
]
NullThreshold = Annotated[
    float | None,
    typer.Option(
        min=-1e6, max=1e6, help="logits by which 'no answer' must lead to be given; default: what the model says"
    ),
]


class Exclusive(NamedTuple):
    """Bounds that a value must not reach, beside typer's ``min`` and ``max``, which it may."""

    above: float | None = None
    below: float | None = None


class Listed(NamedTuple):
    """Marks a field whose values may be typed as one list, ``a,b``; those of numbers and of choices always may."""


def require_output(output: Path | None, *, resume: bool, force: bool) -> None:
    """Raise UsageError for options about an output that is not asked for, or that exclude each other."""
    if output is None and (resume or force):
        raise UsageError("--resume" if resume else "--force", "is about an output", fix="name it with -o FILE")
    if resume and force:
        raise UsageError("--resume", "goes on, --force begins anew", fix="give one of them")


@dataclass(frozen=True)
class Options:
    """The options of a command: every field is ``Annotated[type, typer.Option(...)]``, or ``typer.Argument``.

    A tuple or frozenset is a repeatable option. ``GROUPS`` are titles of the help with their fields, ``EXAMPLES`` what
    may follow the command's name, ``ALIASES`` old names of options. Raises UsageError for a value outside of its
    field's bounds or choices.
    """

    GROUPS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    EXAMPLES: ClassVar[tuple[str, ...]] = ()
    ALIASES: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field, getattr(self, field.name))

    @classmethod
    def parameters(cls) -> list[inspect.Parameter]:
        """The fields as parameters of a function that typer reads; those that commands share come last."""
        kinds = [kind for kind in cls.__mro__ if issubclass(kind, Options)]
        groups = {name: title for kind in kinds for title, names in kind.GROUPS.items() for name in names}
        ordered = sorted(fields(cls), key=lambda field: field.kw_only is True)
        return [_parameter(field, groups.get(field.name, "Options")) for field in ordered]

    @classmethod
    def read(cls, line: Sequence[str]) -> Self:
        """Options from a command line, without its command. Raises TyperException, and what `parse` raises."""

        def call(**_: Any) -> None:
            """Take what typer passes."""

        call.__signature__ = inspect.Signature(cls.parameters())  # type: ignore[attr-defined]
        app = typer.Typer(add_completion=False)
        app.command()(call)
        return cls.parse(typer.main.get_command(app).make_context("", list(line)).params)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Options from what typer passes to such a function. Raises UsageError for what is no value of a field."""
        return cls(**{field.name: _value(field, values[field.name]) for field in fields(cls)})


def _read(field: Field[Any]) -> tuple[type | None, Any, Any, Exclusive]:
    """The collection that a field holds (None: one value), the type of an item, and what is declared beside it."""
    hint, info, *more = get_args(field.type)
    origin, kinds = get_origin(hint), get_args(hint)
    exclusive = next((each for each in more if isinstance(each, Exclusive)), Exclusive())
    if origin in (tuple, frozenset):
        return origin, kinds[0], info, exclusive
    if origin in (Union, UnionType):
        hint = next(kind for kind in kinds if kind is not NoneType)
    return None, hint, info, exclusive


def _is_listed(field: Field[Any], kind: Any) -> bool:
    """Whether a comma stands between two values."""
    return kind is int or get_origin(kind) is Literal or any(isinstance(each, Listed) for each in get_args(field.type))


def _parameter(field: Field[Any], group: str) -> inspect.Parameter:
    collection, kind, declared, _ = _read(field)
    info = copy.copy(declared)
    if isinstance(info, typer.models.OptionInfo):
        info.rich_help_panel = group
    if info.metavar is None and kind is not bool:
        info.metavar = _metavar(kind)
        if len(info.metavar) > _LONGEST_METAVAR:
            # A terminal would break it inside of a word.
            info.metavar, info.help = field.name.rpartition("_")[2].upper(), f"{', '.join(_choices(kind))}; {info.help}"
    default: Any = inspect.Parameter.empty if field.default is MISSING else field.default
    if collection is not None:
        if _is_listed(field, kind):
            info.metavar = f"{info.metavar},..."
            # Typer would refuse the list; what is wrong in it is found by `_value` and `_check`.
            info.min, info.max, info.autocompletion = None, None, _completion(kind)
            kind = str
        elif info.parser is not None:
            kind = str
        kind, default = GenericAlias(list, kind), default if field.default is MISSING else _typed(default) or None
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, keyword, annotation=Annotated[kind, info], default=default)


_LONGEST_METAVAR = 50


def _metavar(kind: Any) -> str:
    if choices := _choices(kind):
        return "|".join(choices)
    return {int: "N", float: "X", Path: "PATH"}.get(kind, "TEXT")


def _choices(kind: Any) -> tuple[str, ...]:
    """The values of a Literal or an enumeration."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(str(each.value) for each in kind) if isinstance(kind, type) and issubclass(kind, Enum) else ()


def _completion(kind: Any) -> Any:
    def complete(incomplete: str) -> list[str]:
        done, comma, begun = incomplete.rpartition(",")
        return [f"{done}{comma}{choice}" for choice in _choices(kind) if choice.startswith(begun)]

    return complete


def _typed(values: Iterable[Any]) -> list[Any]:
    return [str(value) if isinstance(value, int) else value for value in values]


def _value(field: Field[Any], value: Any) -> Any:
    collection, kind, info, _ = _read(field)
    if collection is None:
        return value
    items = [item.value if isinstance(item, Enum) else item for item in value or ()]
    if info.parser is not None:
        return collection(pair for pairs in items for pair in pairs)
    if not _is_listed(field, kind):
        return collection(items)
    parts = [part.strip() for item in items for part in str(item).split(",")]
    convert = partial(_number, field, info) if kind is int else kind if kind is Path else str
    return collection(map(convert, parts))


def _number(field: Field[Any], info: Any, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        flag = _flag(field.name, info)
        fix = f"write {flag} 1,2,4"
        raise UsageError(flag, "is no list of whole numbers", found=text or "nothing", fix=fix) from None


def _check(field: Field[Any], value: Any) -> None:
    collection, kind, info, exclusive = _read(field)
    rules = (
        (info.min, operator.ge, "at least"),
        (info.max, operator.le, "at most"),
        (exclusive.above, operator.gt, "above"),
        (exclusive.below, operator.lt, "below"),
    )
    bounds = [(bound, holds, words) for bound, holds, words in rules if bound is not None]
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    for item in (value,) if collection is None else value:
        if item is None:
            continue
        if not all(holds(item, bound) for bound, holds, _ in bounds):
            what, expected = "is out of range", ", ".join(f"{words} {bound:g}" for bound, _, words in bounds)
        elif choices and item not in choices:
            what, expected = "unknown value", ", ".join(choices)
        else:
            continue
        flag = _flag(field.name, info)
        raise UsageError(flag, what, found=item, expected=expected, fix=f"correct {flag}")


def _flag(name: str, info: Any) -> str:
    """The long form of an option."""
    declared = [text for text in (info.default, *(info.param_decls or ())) if isinstance(text, str)]
    return declared[-1] if declared else f"--{name.replace('_', '-')}"
