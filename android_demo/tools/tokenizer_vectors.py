"""Write vectors/tokenizer.json, which proves the Java tokenizer equal to the `tokenizers` library."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Encoding, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

OUTPUT = Path(__file__).parents[1] / "core/src/test/resources/vectors/tokenizer.json"
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
FLAGS = [(lower, strip, chinese) for lower in (True, False) for strip in (True, False) for chinese in (True, False)]
MAX_LENGTH = 64
BLOCK = 4096
# What added tokens are made of: they stand beside letters, in them and across white space.
ADDED_PARTS = (
    "covid",
    "19",
    "[USER]",
    "New York",
    "\u4e2d",
    "\u00c9",
    "e\u0301",
    "_",
    "a",
    "AB",
    "##s",
    "<e>",
    "\U0001f642",
    "\u3000",
    "-",
)

HAND_PICKED = (
    "",
    " ",
    "\0",
    "\u200b",
    "a" * 100,
    "a" * 101,
    "\u0130stanbul \u03a3\u0391\u03a3 stra\u00dfe \ufb01 \u2167",
    "x\u200by",
    "\U0001f642\U0001f44d\U0001f3fd ok",
    "cafe\u0301 caf\u00e9",
    "e\u0301\u0323",
    "\uac01\uac00 \ud55c\uae00",
    "\u7537\u304c\u5f3e\u304f",
    "a[SEP]b [CLS] [MASK].",
    "[sep] [ SEP ] [[SEP]]",
    "[MASK][MASK]",
    "don't re-do it...",
    "tab\tnew\nline\r\n",
    "\u3000wide\u3000",
    "\U0001d165\U0001d16d",
    "\u302e\u0301a",
    "\ufeffbom",
    "\u00ad soft\u00adhyphen",
    "\u01c5 \u1e9e",
    "a\u0345\u03b1",
)


def vocabulary(rng: random.Random) -> list[str]:
    """A small vocabulary with characters of many scripts and made-up pieces of one to four letters."""
    letters = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789'-.,!?"
    letters += "\u00e9\u00c9\u00e4\u00df\u03b1\u03c3\u03a3\u0434\u0416\u4e2d\u6587\uac00\u1100\u1161\u304c"
    pieces = {"".join(rng.choice("abcdeinorst") for _ in range(rng.randint(2, 4))) for _ in range(400)}
    return [
        *SPECIALS,
        *letters,
        *(f"##{letter}" for letter in letters),
        *sorted(pieces),
        *(f"##{piece}" for piece in sorted(pieces)),
    ]


def tokenizer(words: list[str], lower: bool, strip: bool, chinese: bool) -> Tokenizer:
    """BERT's tokenizer as Hugging Face assembles it."""
    ids = {word: index for index, word in enumerate(words)}
    made = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower
    )
    made.pre_tokenizer = BertPreTokenizer()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    made.add_special_tokens(list(SPECIALS))
    return made


def random_text(rng: random.Random, words: list[str]) -> str:
    """Text of one of four kinds: known pieces, Latin characters, other scripts, any code points."""
    kind, length = rng.random(), rng.randint(0, 20)
    if kind < 0.4:
        return " ".join(rng.choice(words).removeprefix("##") + rng.choice(("", "", "s", "!")) for _ in range(length))
    if kind < 0.6:
        return "".join(chr(rng.randint(32, 0x24F)) for _ in range(length))
    if kind < 0.8:
        return "".join(
            chr(rng.choice((rng.randint(0x300, 0x2FFF), rng.randint(0x3000, 0x9FFF), rng.randint(32, 126))))
            for _ in range(length)
        )
    codes = (rng.choice((rng.randint(1, 0x10FFFF), rng.randint(1, 0x1FFFF))) for _ in range(length))
    return "".join(chr(code) for code in codes if not 0xD800 <= code <= 0xDFFF)


def rows(encodings: list[Encoding]) -> list[dict[str, Any]]:
    """What the Java side must reproduce of each row."""
    return [
        {
            "ids": row.ids,
            "type_ids": row.type_ids,
            "offsets": [list(span) for span in row.offsets],
            "sequence_ids": [-1 if sequence is None else sequence for sequence in row.sequence_ids],
            "unknown": sum(token == 1 and of is not None for token, of in zip(row.ids, row.sequence_ids, strict=True)),
        }
        for row in encodings
    ]


def case(made: Tokenizer, flags: int, text: str, pair: str | None, max_length: int) -> dict[str, Any]:
    """A text or pair, the longest cut first."""
    made.no_truncation()
    truncated = len(made.encode(text, pair).ids) > max_length
    made.enable_truncation(max_length, strategy="longest_first")
    row = rows([made.encode(text, pair)])[0]
    return {"flags": flags, "text": text, "pair": pair, "max_length": max_length, "truncated": truncated, "row": row}


def windows(made: Tokenizer, question: str, context: str, max_length: int, stride: int) -> dict[str, Any]:
    """A context of any length behind a question, in overlapping rows."""
    made.enable_truncation(max_length, strategy="only_second", stride=stride)
    encoded = made.encode(question, context)
    found = rows([encoded, *encoded.overflowing])
    return {"question": question, "context": context, "max_length": max_length, "stride": stride, "rows": found}


def sweep(lower: bool, strip: bool, chinese: bool) -> list[str]:
    """One digest per block of code points over the words that ``a<code point>b`` is cut into."""
    normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=chinese, strip_accents=strip, lowercase=lower)
    words = BertPreTokenizer()
    digests = []
    for block in range(0, 0x30000, BLOCK):
        digest = hashlib.sha256()
        for code in range(block, block + BLOCK):
            if not 0xD800 <= code <= 0xDFFF:
                cut = words.pre_tokenize_str(normalizer.normalize_str(f"a{chr(code)}b"))
                digest.update((" ".join(word for word, _ in cut) + "\n").encode())
        digests.append(digest.hexdigest()[:16])
    return digests


def added_tokens(rng: random.Random, words: list[str]) -> list[dict[str, Any]]:
    """Up to six tokens of any flags, some in the vocabulary, some a part of another, behind the special ones."""
    parts = [*ADDED_PARTS, *rng.sample(words, 6)]
    contents = {"".join(rng.choices(parts, k=rng.randint(1, 3))).strip() for _ in range(rng.randint(1, 6))}
    made = tokenizer(words, *FLAGS[0])
    flags = ("special", "normalized", "single_word", "lstrip", "rstrip")
    tokens = [AddedToken(text, **{flag: rng.random() < 0.5 for flag in flags}) for text in sorted(contents) if text]
    made.add_tokens(tokens)
    found = made.get_added_tokens_decoder().items()
    return [{"id": id_, "content": t.content, **{flag: getattr(t, flag) for flag in flags}} for id_, t in sorted(found)]


def with_tokens(rng: random.Random, words: list[str]) -> dict[str, Any]:
    """A tokenizer with added tokens and rows of its own, and what it makes of texts that hold them."""
    flags, side, plain = rng.randrange(len(FLAGS)), rng.choice(("left", "right")), rng.random() < 0.3
    made = tokenizer(words, *FLAGS[flags])
    added = added_tokens(rng, words)
    made.add_tokens([AddedToken(**{key: value for key, value in token.items() if key != "id"}) for token in added])
    if plain:
        made.post_processor = TemplateProcessing(single="$A", pair="$A $B:1", special_tokens=[])
    around = [
        *(t["content"] for t in added),
        *(t["content"].upper() for t in added),
        *ADDED_PARTS,
        " ",
        "  ",
        "ab",
        ".",
    ]
    cases = []
    for _ in range(8):
        text, pair = ("".join(rng.choices(around, k=rng.randint(0, 9))) for _ in range(2))
        max_length, second = rng.choice((4, 9, MAX_LENGTH)), pair if rng.random() < 0.4 else None
        made.enable_truncation(max_length, strategy="longest_first", direction=side)
        row = rows([made.encode(text, second)])[0]
        cases.append({"text": text, "pair": second, "max_length": max_length, "row": row})
    made.enable_truncation(9, strategy="only_second", stride=2, direction=side)
    context = " ".join(rng.choices(around, k=30))
    encoded = made.encode("ab", context)
    window = {"context": context, "max_length": 9, "stride": 2, "rows": rows([encoded, *encoded.overflowing])}
    return {
        "flags": flags,
        "truncation_side": side,
        "plain": plain,
        "added": added,
        "cases": cases,
        "windows": [window],
    }


def main() -> None:
    """Write the file; the generator is seeded, so that the same library gives the same bytes."""
    rng = random.Random(7)
    words = vocabulary(rng)
    made = [tokenizer(words, *flags) for flags in FLAGS]
    cases = [case(made[flags], flags, text, None, MAX_LENGTH) for text in HAND_PICKED for flags in range(len(FLAGS))]
    for _ in range(600):
        flags = rng.randrange(len(FLAGS))
        pair = random_text(rng, words) if rng.random() < 0.5 else None
        cases.append(case(made[flags], flags, random_text(rng, words), pair, rng.choice((4, 5, 8, 13, 20, MAX_LENGTH))))
    long = [(rng.choice(("", "ab", "who is it?")), random_text(rng, words)) for _ in range(60)]
    value = {
        "vocabulary": words,
        "flags": [
            {"lowercase": lower, "strip_accents": strip, "tokenize_chinese_chars": chinese}
            for lower, strip, chinese in FLAGS
        ],
        "cases": cases,
        "windows": [
            windows(made[0], question, context, rng.choice((20, 24, MAX_LENGTH)), rng.choice((0, 3)))
            for question, context in long
        ],
        "added": [with_tokens(random.Random(seed), words) for seed in range(150)],
        "sweep": {"block": BLOCK, "words": [sweep(*flags) for flags in FLAGS]},
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
