"""Real text that every artifact must answer as the reference does: short, long, pairs, scripts, emoji, nothing."""

from collections.abc import Sequence

LONG = (
    "The ferry left the harbour at dawn, slow and heavy, and the people on deck watched the town grow small behind the "
    "breakwater. Nobody spoke for a while. Then a child asked whether the sea had an end, and three grown-ups gave "
    "three different answers, each of them sure, none of them right. "
)

# Single texts: name -> text.
SINGLE: dict[str, str] = {
    "empty": "",
    "one word": "Wonderful",
    "short praise": "A warm, funny film that I would watch again tomorrow.",
    "short blame": "Two hours of noise, and not a single joke lands.",
    "mixed": "The acting is superb, but the ending ruins everything that came before it.",
    "question": "Would you really pay twelve euros to see this in a cinema?",
    "numbers": "In 1999 it cost $3.50; by 2024 it was £12.75, i.e. +264 %.",
    "capitals": "THIS IS NOT A DRILL, PLEASE LEAVE THE BUILDING NOW",
    "accents": "Señor Müller naïvely ordered crème brûlée in a café in Łódź.",
    "combining marks": "Cafe\u0301 and re\u0301sume\u0301 with marks on their own",
    "chinese": "这部电影非常好看,我想再看一遍。",
    "japanese": "この映画は本当に面白かったです。",
    "korean": "이 영화는 정말 재미있었어요.",
    "arabic": "كان الفيلم رائعا للغاية",
    "russian": "Фильм оказался лучше, чем я ожидал.",
    "hindi": "यह फिल्म बहुत अच्छी थी",
    "emoji": "Loved it 😍🎉 10/10 👩‍👩‍👧 would cry again 😭",
    "markup": "<p>Tom &amp; Jerry</p> see https://example.org/?a=1&b=2",
    "code": "for (int i = 0; i < n; ++i) { sum += x[i] * w[i]; }",
    "special pieces": "The [MASK] sat on the mat [SEP] and [UNK] slept.",
    "white space": "  tabs\tand\nnew lines \u00a0 and wide\u3000spaces  ",
    "control characters": "zero\u0000width\u200bjoin\ufeffer",
    "long word": "a" * 150 + " is not a word",
    "long": LONG * 2,
    "truncated": LONG * 40,
}

# Pairs: name -> (text, second text).
PAIRS: dict[str, tuple[str, str]] = {
    "pair": ("How many legs does a spider have?", "Spiders are arachnids, so each of them walks on eight legs."),
    "pair with empty": ("Only one side has words.", ""),
    "pair with accents": ("Où est la bibliothèque?", "La bibliothèque est à côté de l'église."),
    "pair truncated": ("What did the child ask?", LONG * 40),
}

_MOST_ADDED = 8


def with_added_tokens(tokens: Sequence[str]) -> dict[str, str]:
    """A text for each of at most 8 added tokens, which stands in it alone, beside letters and in either case."""
    step = max(1, -(-len(tokens) // _MOST_ADDED))
    return {
        f"added token {number}": f"{token} is good,  {token.upper()} {token.lower()}{token} x{token}y \u4e2d{token} ."
        for number, token in enumerate(tokens[::step], start=1)
    }


# Lengths in tokens at which artifacts are known to break: one, the two special tokens alone, around a power of two.
LENGTHS = (1, 2, 31, 32, 128)
