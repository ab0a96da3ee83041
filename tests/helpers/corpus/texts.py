"""JSON texts."""

import random
from collections.abc import Iterator

from corpus.cases import ACCEPTED, INPUT, Case

DEPTH = 64
DIGITS = 4300


def _within(value: str) -> bytes:
    return f'{{"a": {value}}}'.encode()


def _nested(levels: int, inner: str = "") -> str:
    return "[" * levels + inner + "]" * levels


# Values inside an object.
_SOUND = [
    "0", "-0", "-0.0", "1e5", "1E+5", "1.5e-3", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "1000000000000000019884624838656", "1" * DIGITS, "-" + "1" * DIGITS, "1e308", "1e-999", "0.1", "5e-324",
    '""', '"\\u0041\\u00e9\\uD83D\\uDE00"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\x7f"', '"\ufeff"', '"\U0001f600"',
    '"\u2028"',
    '"\\u0000"', "[]", "{}", " [ 1 , 2 ] ", "\t[\r\n]", "true", "null", _nested(DEPTH - 1), _nested(DEPTH - 1, "1"),
    '{"": 1, "\\u0000": 2}', '{"a": {"a": 1}}', '{"é": 1, "e\u0301": 2}',
]  # fmt: skip
_BROKEN = [
    "", "01", "-", "-01", "1.", ".5", "+1", "1e", "1e+", "0x1", "1_000", "\u0661", "1\u0660", "\uff11", "1e\uff11",
    "1.\u0661",
    "NaN", "Infinity", "-Infinity", "nan", "inf", "1e999", "-1e999", "1" * 400 + ".0", "1" * (DIGITS + 1), "tru",
    "True", "None",
    '"\\u\uff10\uff10\uff14\uff11"', '"\\u\u0660\u0660\u0664\u0661"', '"\\u00 41"', '"\\u004"', '"\\u+041"',
    '"\\u-041"', '"\\u0x41"',
    '"\\ud800"', '"\\udc00"', '"\\udc00\\ud800"', '"\\ud800x"', '"\\ud83d\\u0041"', '"\\ud800\\ud800\\udc00"',
    '{"\\udfff": 1}',
    '"\\x41"', '"\\U00000041"', "'a'", '"', '"\n"', '"\t"', '"\x00"', '"\x1f"', '"\\"', "[1,]", "[,1]", "[1 2]", "[1",
    "]",
    '{"b":1,}', '{"b" 1}', "{b:1}", "{1:2}", '{"b":1,"b":1}', '{"b":1,"\\u0062":2}', "{,}", "/* */ 1", "// \n1",
    "1 // ",
    "\u00a01", "\u20281", "\x0b1", "\ufeff1", "1 2", "undefined", _nested(DEPTH), _nested(100_000), "[" * 100_000,
    '{"a":' * 70 + "1" + "}" * 70,
]  # fmt: skip
_WHOLE = {
    b"": INPUT, b" ": INPUT, b"{": INPUT, b"{}": ACCEPTED, b" {} \n": ACCEPTED, b"{}x": INPUT, b"{}{}": INPUT,
    b"[]": INPUT,
    b"1": INPUT, b'"a"': INPUT, b"null": INPUT, b"\xef\xbb\xbf{}": INPUT, '{"a": 1}'.encode("utf-16"): INPUT,
    b"{}\0": INPUT,
    b'{"a": "\xff"}': INPUT, b'{"a": "\xc0\x80"}': INPUT, b'{"a": "\xed\xa0\x80"}': INPUT,
    b'{"a": "\xf4\x90\x80\x80"}': INPUT,
    b'{"a": "\xf0\x9f\x98"}': INPUT, b'{"a": "\xe2\x82"}': INPUT, b'{"a": "\xf0\x9f\x98\x80"}': ACCEPTED,
}  # fmt: skip


def by_hand() -> Iterator[Case]:
    for data, verdict in _WHOLE.items():
        yield Case(repr(data), data, verdict)
    for values, verdict in ((_SOUND, ACCEPTED), (_BROKEN, INPUT)):
        for value in values:
            yield Case(repr(value)[:60], _within(value), verdict)


def generated(rng: random.Random) -> Case:
    """A text of the grammar, mostly, with a broken piece or a changed byte in some."""
    data = _within(_value(rng, rng.choice((1, 3, 8)), odds=rng.choice((0.0, 0.02, 0.2))))
    if rng.random() < 0.2:
        at = rng.randrange(len(data))
        data = data[:at] + bytes([rng.randrange(256)]) + data[at + rng.randrange(2) :]
    return Case(repr(data)[:200], data)


def _value(rng: random.Random, depth: int, odds: float) -> str:
    if rng.random() < odds:
        return rng.choice(_BROKEN[:-3])
    match rng.randrange(3 if depth else 1):
        case 0:
            return rng.choice([_number(rng), _string(rng), rng.choice(_SOUND)])
        case 1:
            return "[" + ",".join(_value(rng, depth - 1, odds) for _ in range(rng.randrange(4))) + "]"
        case _:
            keys = {_string(rng): _value(rng, depth - 1, odds) for _ in range(rng.randrange(4))}
            return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


def _number(rng: random.Random) -> str:
    whole = rng.choice(["", "-"]) + rng.choice(
        ["0", str(rng.randrange(1, 10)), str(rng.getrandbits(rng.choice((8, 63, 64, 70, 900))))]
    )
    fraction = rng.choice(["", "", "." + str(rng.getrandbits(40)), ".0"])
    return whole + fraction + rng.choice(["", "", "e" + str(rng.randrange(-400, 400)), "E+0"])


def _string(rng: random.Random) -> str:
    pieces = [
        "a",
        "é",
        "模",
        "\U0001f600",
        "\\n",
        "\\u0041",
        "\\uD83D\\uDE00",
        "\\uD83D",
        "\\u00e9",
        "\x7f",
        " ",
        "\\\\",
    ]
    weights = [9, 3, 3, 3, 3, 3, 3, 0.3, 3, 1, 3, 1]
    return '"' + "".join(rng.choices(pieces, weights, k=rng.randrange(5))) + '"'
