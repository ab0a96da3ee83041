package org.squeezebert.internal;

/** BERT's text normalization: clean, set CJK ideographs apart, strip accents, lower-case; one code point at a time. */
final class BertNormalizer {
    private static final CharacterTables TABLES = CharacterTables.INSTANCE;
    private static final int REPLACEMENT = 0xFFFD;

    private final boolean lowercase;
    private final boolean stripAccents;
    private final boolean tokenizeChinese;

    BertNormalizer(boolean lowercase, boolean stripAccents, boolean tokenizeChinese) {
        this.lowercase = lowercase;
        this.stripAccents = stripAccents;
        this.tokenizeChinese = tokenizeChinese;
    }

    /** Normalizes {@code text[from, to)}; origins count from the start of {@code text}. */
    AlignedText normalize(int[] text, int from, int to) {
        AlignedText out = new AlignedText(to - from + 16);
        for (int i = from; i < to; i++) {
            // A lone surrogate cannot reach the library at all; like the replacement character that UTF-8 gives for it, it is dropped.
            int codePoint = text[i] >= 0xD800 && text[i] <= 0xDFFF ? REPLACEMENT : text[i];
            if (TABLES.dropped.contains(codePoint)) continue;
            boolean apart = tokenizeChinese && TABLES.cjk.contains(codePoint);
            if (apart) out.add(' ', i);
            strip(TABLES.spaces.contains(codePoint) ? ' ' : codePoint, i, out);
            if (apart) out.add(' ', i);
        }
        return out;
    }

    private void strip(int codePoint, int origin, AlignedText out) {
        int[] replacement = stripAccents ? TABLES.withoutAccents(codePoint) : null;
        if (replacement == null) {
            lower(codePoint, origin, out);
        } else {
            for (int part : replacement) lower(part, origin, out);
        }
    }

    private void lower(int codePoint, int origin, AlignedText out) {
        int[] replacement = lowercase ? TABLES.lowercase(codePoint) : null;
        if (replacement == null) {
            out.add(codePoint, origin);
        } else {
            for (int part : replacement) out.add(part, origin);
        }
    }
}
