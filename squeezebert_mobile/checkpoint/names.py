"""The names of a state dict brought to SqueezeBERT's own: prefixes of wrappers and old spellings."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from squeezebert_mobile.errors import UnsupportedModelError, UsageError, counted

BODY = "transformer."
# The first names of every head that a SqueezeBERT checkpoint may carry; `cls.` also holds pre-training's second head.
HEADS = ("classifier.", "qa_outputs.", "cls.")
WORDS = "embeddings.word_embeddings.weight"

# What torch.compile, FSDP, activation checkpointing and DataParallel put between a model's name and its part's.
_WRAPPER = r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|module)\."
_INSIDE = re.compile(rf"(?<=\.){_WRAPPER}")
_TABLE = re.compile(rf"(.*?)(?:transformer\.)?embeddings\.(?:{_WRAPPER})*word_embeddings\.weight")
# As the converters from TensorFlow of 2018 to 2020 wrote them.
_OLD_NORMS = {"gamma": "weight", "beta": "bias"}
_OLD_NORM = re.compile(r"(?<=[Ll]ayer[Nn]orm\.)(gamma|beta)$")


@dataclass(frozen=True)
class Renamed:
    """A file's names by SqueezeBERT's, those left out missing, and what was changed."""

    names: dict[str, str]
    notes: tuple[str, ...]


def prefixes(names: Iterable[str]) -> list[str]:
    """What stands before the bodies that these names hold, "" for a plain one; none without a table of words."""
    return sorted({match[1] for name in names if (match := _TABLE.fullmatch(name))})


def strip(prefix: str) -> str:
    """The option that takes a prefix off."""
    return f"--strip-prefix {shlex.quote(prefix)}"


def rename(path: Path, names: Iterable[str], prefix: str | None) -> Renamed:
    """SqueezeBERT's name for each name of a file.

    ``prefix`` is taken off; a head may also stand without it, or behind a shorter part of it. What else is outside of
    the prefix, such as the counters of a metric, is left out. Raises UsageError where no name starts with ``prefix``,
    UnsupportedModelError where the names have another one, or two of them become one.
    """
    given = sorted(names)
    _refuse_prefix(path, given, prefix)
    own: dict[str, str] = {}
    changed: list[str] = []
    outside: list[str] = []
    for name in given:
        bare = name if prefix is None else _without(name, _dotted(prefix, given))
        if bare is None:
            outside.append(name)
            continue
        plain = _OLD_NORM.sub(lambda match: _OLD_NORMS[match[1]], _INSIDE.sub("", bare))
        if plain in own:
            what = f"holds {plain} twice, as {own[plain]} and as {name}"
            raise UnsupportedModelError(path, what, fix="save the state dict without one of them")
        own[plain] = name
        if plain != bare:
            changed.append(f"{name} as {plain}")
    notes = [f"read as today's: {counted(len(changed), 'name')}, such as {changed[0]}"] if changed else []
    if outside:
        notes.append(
            f"left out: {counted(len(outside), 'tensor')} outside of the prefix {prefix}, such as {outside[0]}"
        )
    return Renamed(own, tuple(notes))


def _refuse_prefix(path: Path, names: list[str], prefix: str | None) -> None:
    """Raise unless what is left after ``prefix`` has a body by its own names, or no body has a name that is known."""
    known = prefixes(names)
    taken = "" if prefix is None else _dotted(prefix, names)
    found = f"the keys {', '.join(names[:5])}, ..."
    fix = f"pass {' or '.join(map(strip, known))}" if any(known) else "leave --strip-prefix out"
    if prefix is not None and not any(name.startswith(taken) for name in names):
        raise UsageError(path, f"has names that do not start with {prefix!r}", found=found, fix=fix)
    if known and not {taken, taken.removesuffix(BODY)} & set(known):
        raise UnsupportedModelError(path, f"prefixes its names with {known[0]!r}", found=found, fix=fix)


def _dotted(prefix: str, names: list[str]) -> str:
    """A prefix that was given without the dot after it."""
    dotted = f"{prefix}."
    return dotted if any(name.startswith(dotted) for name in names) else prefix


def _without(name: str, prefix: str) -> str | None:
    if name.startswith(prefix):
        return name.removeprefix(prefix)
    parts = prefix.split(".")[:-1]
    shorter = (".".join([*parts[:count], ""]) for count in reversed(range(len(parts))))
    bare = (name.removeprefix(part) for part in shorter if name.startswith(part))
    return next((rest for rest in bare if rest.startswith(HEADS)), None)
