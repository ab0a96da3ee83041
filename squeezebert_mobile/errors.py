"""Every failure that a user can meet: what is wrong with which file, how to fix it, and the exit code."""

from pathlib import Path
from typing import ClassVar
from unicodedata import category

# Zero-width joiners, which scripts and emoji are written with.
_JOINERS = "\u200c\u200d"
# Categories of Unicode whose characters move the cursor, turn the text around or cannot be seen.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
# Linux' PATH_MAX has as much; a tensor's name or a label can have a megabyte.
_LONGEST = 4096


def visible(text: str) -> str:
    """A text for a terminal, with control characters and bidirectional ones as their escapes.

    Names and texts in files are whatever their writer liked: raw, they could forge lines, titles and answers.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if category(c) in _HIDDEN and c not in _JOINERS else c for c in text)


def counted(number: int, noun: str) -> str:
    """How many there are of something: 1 row, 2 rows."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def one_line(text: str) -> str:
    """A text as one line of what can be seen, with each run of white space as one space."""
    return "".join(c if c.isprintable() else _escaped(c) for c in " ".join(text.split()))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


class SqueezeBertMobileError(Exception):
    """One line for the user, ``FILE: WHAT (found X, expected Y); fix: STEP``, and an exit code for the shell."""

    exit_code: ClassVar[int]

    def __init__(self, file: str | Path, what: str, *, fix: str, found: object = None, expected: object = None) -> None:
        self.file = str(file)
        self.what = what
        self.fix = fix
        self.found = found
        self.expected = expected
        super().__init__(self._line())

    def __reduce__(self) -> tuple[object, ...]:
        """How an error goes to another process; what was found and expected goes as text."""
        facts = (None if fact is None else str(fact) for fact in (self.found, self.expected))
        return (
            _again,
            (type(self), self.file, self.what, self.fix, *facts),
            {"__notes__": getattr(self, "__notes__", [])},
        )

    def _line(self) -> str:
        named = (("found", self.found), ("expected", self.expected))
        facts = [f"{name} {_cut(value)}" for name, value in named if value is not None]
        detail = f" ({', '.join(facts)})" if facts else ""
        return one_line(f"{_cut(self.file)}: {_cut(self.what)}{detail}; fix: {_cut(self.fix)}")


def _again(
    kind: type[SqueezeBertMobileError], file: str, what: str, fix: str, found: str | None, expected: str | None
) -> SqueezeBertMobileError:
    return kind(file, what, fix=fix, found=found, expected=expected)


def _cut(value: object) -> str:
    """A text as it is, its ends where a file made it longer than any path."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"


class UsageError(SqueezeBertMobileError):
    """A call that cannot be honoured as it stands."""

    exit_code = 2


class InputFileError(SqueezeBertMobileError):
    """A file that cannot be read as what it should be."""

    exit_code = 3


class IntegrityError(SqueezeBertMobileError):
    """Bytes that differ from their digest, or a signature that does not hold."""

    exit_code = 4


class UnsupportedModelError(SqueezeBertMobileError):
    """A well-formed model that this package does not support."""

    exit_code = 5


class GateError(SqueezeBertMobileError):
    """A parity, accuracy, speed or size gate that was not passed."""

    exit_code = 6


class UndecidedError(SqueezeBertMobileError):
    """A measurement from which nothing follows: measured again on a quieter machine it may pass or fail."""

    exit_code = 8


class EnvironmentFault(SqueezeBertMobileError):
    """Disk, permission, device, lock or package trouble on this machine."""

    exit_code = 7
