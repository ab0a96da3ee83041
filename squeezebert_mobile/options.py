"""What all options dataclasses share: a field carries its flags, help and bounds, for shell and Python alike."""

import inspect
import operator
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from enum import Enum, StrEnum
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Self, Union, cast, get_args, get_origin

import typer

from squeezebert_mobile.errors import UsageError


def _pair(value: str) -> tuple[str, str]:
    """``ROLE=NAME`` in two. Raises UsageError for anything else."""
    role, equals, name = value.partition("=")
    if not (role and equals and name):
        raise UsageError("--column", "is not ROLE=NAME", found=value, fix="write it as text=review")
    return role, name


Threads = Annotated[int, typer.Option(min=1, help="threads of the runtime")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress")]
Columns = Annotated[
    tuple[tuple[str, str], ...],
    typer.Option(
        "--column",
        parser=_pair,
        metavar="ROLE=NAME",
        help="the column that plays a role, as text=review, or the columns, as label=toxic,insult; repeatable",
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


@dataclass(frozen=True)
class Options:
    """The options of a command: every field is ``Annotated[type, typer.Option(...)]``, or ``typer.Argument``.

    A tuple or frozenset is a repeatable option. Raises UsageError for a value outside of its field's bounds or choices.
    """

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field, getattr(self, field.name))

    @classmethod
    def parameters(cls) -> list[inspect.Parameter]:
        """The fields as parameters of a function that typer reads; those that commands share come last."""
        return [_parameter(field) for field in sorted(fields(cls), key=lambda field: field.kw_only is True)]

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Options from what typer passes to such a function."""
        return cls(**{field.name: _value(field, values[field.name]) for field in fields(cls)})


def _read(field: Field[Any]) -> tuple[type | None, Any, Any, Exclusive]:
    """The collection that a field holds (None: one value), the type of an item, and what is declared beside it."""
    hint, info, *more = get_args(field.type)
    origin, kinds = get_origin(hint), get_args(hint)
    exclusive = more[0] if more else Exclusive()
    if origin in (tuple, frozenset):
        return origin, kinds[0], info, exclusive
    if origin in (Union, UnionType):
        hint = next(kind for kind in kinds if kind is not NoneType)
    return None, hint, info, exclusive


def _parameter(field: Field[Any]) -> inspect.Parameter:
    collection, kind, info, _ = _read(field)
    default: Any = inspect.Parameter.empty if field.default is MISSING else field.default
    if collection is not None:
        if info.parser is not None:
            kind = str
        elif get_origin(kind) is Literal:  # in a list typer takes the choices of an enumeration alone
            kind = cast("Any", StrEnum)("Choice", {choice: choice for choice in get_args(kind)})
        kind, default = GenericAlias(list, kind), default if field.default is MISSING else list(default) or None
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(field.name, keyword, annotation=Annotated[kind, info], default=default)


def _value(field: Field[Any], value: Any) -> Any:
    collection, *_ = _read(field)
    if collection is None:
        return value
    return collection(item.value if isinstance(item, Enum) else item for item in value or ())


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
