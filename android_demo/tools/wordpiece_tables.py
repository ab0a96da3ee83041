"""Write the character tables that the Java tokenizer reads, taken from the `tokenizers` library itself.

Java's character classes follow the Unicode version of the platform (Unicode 9 on Android 8) and differ from the
library's in hundreds of code points; these tables make the ids the same on every phone. Run without arguments to
rewrite the resource, with ``--check`` to fail where it is out of date.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

RESOURCE = Path(__file__).parents[1] / "core/src/main/resources/org/squeezebert/internal/wordpiece_tables.txt"
_HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)  # decomposed by arithmetic in Java (Unicode standard, section 3.12)


def _code_points() -> Iterator[str]:
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF)


def _normalizer(
    *, clean: bool = False, chinese: bool = False, strip: bool = False, lower: bool = False
) -> BertNormalizer:
    return BertNormalizer(clean_text=clean, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)


def _ranges(characters: list[str]) -> str:
    ranges: list[list[int]] = []
    for code in map(ord, characters):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return " ".join(f"{first:x}-{last:x}" for first, last in ranges)


def _mapping(normalizer: BertNormalizer, skip: range = range(0)) -> str:
    pairs = ((char, normalizer.normalize_str(char)) for char in _code_points() if ord(char) not in skip)
    return " ".join(f"{ord(char):x}:{'.'.join(f'{ord(c):x}' for c in new)}" for char, new in pairs if new != char)


def _of_words() -> list[str]:
    """What the library takes for a letter of a word beside a token that must be a word of its own."""
    library = Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    library.add_tokens([AddedToken("<w>", single_word=True, normalized=False)])
    found = library.encode_batch([f"{char}<w>" for char in _code_points()])
    return [char for char, row in zip(_code_points(), found, strict=True) if "<w>" not in row.tokens]


def tables() -> str:
    """The whole resource: sets of code points as ranges, two mappings of a code point to its replacement."""
    clean, chinese, split = _normalizer(clean=True), _normalizer(chinese=True), BertPreTokenizer()
    sets: dict[str, list[str]] = {"DROP": [], "SPACE": [], "CJK": [], "SPLIT": [], "PUNCTUATION": []}
    for char in _code_points():
        cleaned = clean.normalize_str(char)
        if cleaned == "":
            sets["DROP"].append(char)
        elif cleaned == " ":
            sets["SPACE"].append(char)
        if chinese.normalize_str(char) == f" {char} ":
            sets["CJK"].append(char)
        words = [word for word, _ in split.pre_tokenize_str(f"a{char}b")]
        if words == ["a", "b"]:
            sets["SPLIT"].append(char)
        elif words == ["a", char, "b"]:
            sets["PUNCTUATION"].append(char)
    sets["WORD"] = _of_words()
    lines = [f"# Written by android_demo/tools/wordpiece_tables.py from tokenizers {tokenizers.__version__}"]
    lines += [f"set {name} {_ranges(characters)}" for name, characters in sets.items()]
    lines.append(f"map STRIP_ACCENTS {_mapping(_normalizer(strip=True), _HANGUL_SYLLABLES)}")
    lines.append(f"map LOWERCASE {_mapping(_normalizer(lower=True))}")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite or check the resource."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail where the resource differs, write nothing")
    if not parser.parse_args().check:
        RESOURCE.write_text(tables(), encoding="ascii")
        return 0
    # The first line names the library's version, the rest is what must hold.
    current = RESOURCE.read_text(encoding="ascii").split("\n", 1)[1] == tables().split("\n", 1)[1]
    if not current:
        what = f"differs from tokenizers {tokenizers.__version__}"
        print(f"error: {RESOURCE}: {what}; fix: python {__file__}", file=sys.stderr)
    return 0 if current else 4


if __name__ == "__main__":
    sys.exit(main())
