"""Tokenizer folders, of which Python's reader alone takes more than vocab.txt."""

import json
import random
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from corpus import manifests
from corpus.cases import ACCEPTED, INPUT, Case
from squeezebert_mobile.tokenizer.settings import TokenizerSettings
from squeezebert_mobile.tokenizer.tokenizer import SqueezeBertTokenizerFast

NAMES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


@cache
def _sound() -> dict[str, str]:
    """The three files of a small tokenizer, as text, so that nobody changes the kept ones."""
    settings = TokenizerSettings()
    words = SqueezeBertTokenizerFast.of([*settings.special_tokens.values(), "good", "bad", "##ly"], settings)
    with TemporaryDirectory() as folder:
        words.save_pretrained(folder)
        return {name: (Path(folder) / name).read_text(encoding="utf-8") for name in NAMES}


def _folder(changed: str, values: object) -> dict[str, bytes]:
    files = _sound() | {changed: json.dumps(values)}
    return {name: text.encode() for name, text in files.items()}


def by_hand() -> Iterator[Case]:
    whole = {name: text.encode() for name, text in _sound().items()}
    yield Case("whole", whole, ACCEPTED)
    yield Case("nothing", {"empty/": b""}, INPUT)
    for name in NAMES:
        for data in (b"", b"[]", b"{", b'{"a": NaN}', b"[" * 1000, b"\xff{}"):
            yield Case(f"{name} = {data[:9]!r}", whole | {name: data}, INPUT)
        values: Any = json.loads(_sound()[name])
        for change, other in islice(manifests.with_one_change(values), 0, None, 11):
            yield Case(f"{name}{change}"[:120], _folder(name, other))


def generated(rng: random.Random) -> Case:
    """A sound folder with up to three changes in one of its files."""
    name = rng.choice(NAMES)
    values = json.loads(_sound()[name])
    said = [manifests.mutate(values, {}, rng) for _ in range(rng.choice((1, 1, 2, 3)))]
    return Case(f"{name}: {'; '.join(said)}"[:300], _folder(name, values), several=len(said) > 1)
