package org.squeezebert.demo.core;

import java.util.ArrayList;
import java.util.List;

/** BERT's WordPiece tokenizer, id for id equal to Hugging Face's {@code tokenizers}. */
public final class WordPieceTokenizer {
    /** What gives way when a pair is too long. */
    public enum Truncation { LONGEST_FIRST, ONLY_SECOND }

    /** max_input_chars_per_word of BERT: longer words are unknown. */
    private static final int MAX_WORD = 100;

    private final Vocabulary vocabulary;
    private final TokenizerSpec spec;
    private final BertNormalizer normalizer;
    private final int[][] specials;
    private final int[] specialIds;

    public WordPieceTokenizer(Vocabulary vocabulary, TokenizerSpec spec) throws DemoException {
        if (vocabulary.size() != spec.vocabSize) {
            throw new DemoException(DemoException.Kind.INPUT, "vocab.txt", "has another number of lines than the manifest says",
                vocabulary.size(), spec.vocabSize, "export the bundle again");
        }
        this.vocabulary = vocabulary;
        this.spec = spec;
        normalizer = new BertNormalizer(spec.lowercase, spec.stripAccents, spec.tokenizeChinese);
        specialIds = new int[] {spec.pad, spec.unknown, spec.cls, spec.sep, spec.mask};
        specials = new int[specialIds.length][];
        for (int i = 0; i < specialIds.length; i++) specials[i] = vocabulary.token(specialIds[i]).codePoints().toArray();
    }

    public Vocabulary vocabulary() {
        return vocabulary;
    }

    public TokenizerSpec spec() {
        return spec;
    }

    /** {@code [CLS] text [SEP]} or, with a pair, {@code [CLS] text [SEP] pair [SEP]}, cut to {@code maxLength} tokens. */
    public Encoding encode(String text, String pair, int maxLength, Truncation truncation) {
        int limit = Math.min(maxLength, spec.maxLength) - (pair == null ? 2 : 3);
        if (limit < 1) throw new IllegalArgumentException("no room for text in " + maxLength + " tokens");
        Pieces first = pieces(text);
        Pieces second = pair == null ? new Pieces() : pieces(pair);
        int keepFirst = first.size();
        int keepSecond = second.size();
        boolean truncated = keepFirst + keepSecond > limit;
        if (truncated && pair == null) {
            keepFirst = limit;
        } else if (truncated && truncation == Truncation.ONLY_SECOND) {
            keepFirst = Math.min(keepFirst, limit);
            keepSecond = limit - keepFirst;
        } else if (truncated) {
            // The longer gives way until both are equal; an odd last place goes to the second of two equals, to the longer otherwise.
            int shorter = Math.min(keepFirst, keepSecond);
            int longer = shorter > limit ? shorter : Math.max(shorter, limit - shorter);
            if (shorter + longer > limit) {
                shorter = limit / 2;
                longer = shorter + limit % 2;
            }
            boolean swap = keepFirst > keepSecond;
            keepFirst = swap ? longer : shorter;
            keepSecond = swap ? shorter : longer;
        }
        return assemble(first, keepFirst, pair == null ? null : second, keepSecond, truncated);
    }

    private Encoding assemble(Pieces first, int keepFirst, Pieces second, int keepSecond, boolean truncated) {
        int length = keepFirst + 2 + (second == null ? 0 : keepSecond + 1);
        long[] ids = new long[length];
        long[] types = new long[length];
        int[][] offsets = new int[length][2];
        int[] sequences = new int[length];
        ids[0] = spec.cls;
        sequences[0] = -1;
        int at = 1;
        int unknown = 0;
        for (int sequence = 0; sequence < (second == null ? 1 : 2); sequence++) {
            Pieces pieces = sequence == 0 ? first : second;
            int keep = sequence == 0 ? keepFirst : keepSecond;
            for (int i = 0; i <= keep; i++, at++) {
                ids[at] = i == keep ? spec.sep : pieces.id(i);
                types[at] = sequence;
                sequences[at] = i == keep ? -1 : sequence;
                if (i == keep) continue;
                offsets[at] = pieces.span(i);
                if (ids[at] == spec.unknown) unknown++;
            }
        }
        return new Encoding(ids, types, offsets, sequences, truncated, unknown);
    }

    /** The text cut at special tokens that the user typed, the rest normalized, split into words and words into pieces. */
    private Pieces pieces(String text) {
        int[] codePoints = text.codePoints().toArray();
        Pieces out = new Pieces();
        int start = 0;
        for (int at = 0; at < codePoints.length;) {
            int special = specialAt(codePoints, at);
            if (special < 0) {
                at++;
                continue;
            }
            words(normalizer.normalize(codePoints, start, at), out);
            start = at + specials[special].length;
            out.add(specialIds[special], at, start);
            at = start;
        }
        words(normalizer.normalize(codePoints, start, codePoints.length), out);
        return out;
    }

    private int specialAt(int[] text, int at) {
        for (int s = 0; s < specials.length; s++) {
            int[] special = specials[s];
            int same = 0;
            while (same < special.length && at + same < text.length && text[at + same] == special[same]) same++;
            if (same == special.length) return s;
        }
        return -1;
    }

    private void words(AlignedText text, Pieces out) {
        for (int[] word : BertPreTokenizer.split(text)) word(text, word[0], word[1], out);
    }

    /** Greedy longest match first; a word with any part outside the vocabulary is one [UNK]. */
    private void word(AlignedText text, int from, int to, Pieces out) {
        int mark = out.size();
        for (int start = from, end; start < to; start = end) {
            Integer id = null;
            for (end = to - from > MAX_WORD ? start : to; end > start; end--) {
                id = vocabulary.id(start > from ? "##" + text.substring(start, end) : text.substring(start, end));
                if (id != null) break;
            }
            if (id == null) {
                out.cut(mark);
                out.add(spec.unknown, text.origin(from), text.origin(to - 1) + 1);
                return;
            }
            out.add(id, text.origin(start), text.origin(end - 1) + 1);
        }
    }

    /** Token ids of one text with their places in it. */
    private static final class Pieces {
        private final List<int[]> rows = new ArrayList<>();

        void add(int id, int from, int to) {
            rows.add(new int[] {id, from, to});
        }

        void cut(int size) {
            rows.subList(size, rows.size()).clear();
        }

        int size() {
            return rows.size();
        }

        int id(int index) {
            return rows.get(index)[0];
        }

        int[] span(int index) {
            return new int[] {rows.get(index)[1], rows.get(index)[2]};
        }
    }
}
