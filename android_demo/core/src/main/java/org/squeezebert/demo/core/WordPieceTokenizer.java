package org.squeezebert.demo.core;

import java.util.ArrayList;
import java.util.List;

/** BERT's WordPiece tokenizer, id for id equal to Hugging Face's {@code tokenizers}. */
public final class WordPieceTokenizer {
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

    /** {@code [CLS] text [SEP]} or, with a pair, {@code [CLS] text [SEP] pair [SEP]}, cut to {@code maxLength} tokens, the longer text first. */
    public Encoding encode(String text, String pair, int maxLength) {
        int room = room(maxLength, pair == null ? 2 : 3);
        Pieces first = pieces(text);
        Pieces second = pair == null ? new Pieces() : pieces(pair);
        int[] keep = longestFirst(first.size(), second.size(), room);
        boolean truncated = first.size() + second.size() > room;
        return assemble(first.cut(0, keep[0]), pair == null ? null : second.cut(0, keep[1]), truncated);
    }

    /** A question with a context of any length: as many rows as it takes, neighbours sharing {@code stride} tokens of the context. */
    public List<Encoding> windows(String question, String context, int maxLength, int stride) throws DemoException {
        int room = room(maxLength, 3);
        Pieces first = pieces(question);
        Pieces second = pieces(context);
        int size = room - first.size();
        List<Encoding> rows = new ArrayList<>();
        if (second.size() <= size) {
            rows.add(assemble(first, second, false));
            return rows;
        }
        if (size <= stride) {
            throw new DemoException(DemoException.Kind.USAGE, "question", "leaves too little room for the context", first.size() + " tokens",
                "fewer than " + (room - stride), "shorten the question");
        }
        for (int start = 0; start < Math.max(second.size() - stride, 1); start += size - stride) {
            rows.add(assemble(first, second.cut(start, Math.min(start + size, second.size())), true));
        }
        return rows;
    }

    private int room(int maxLength, int added) {
        int room = Math.min(maxLength, spec.maxLength) - added;
        if (room < 0) throw new IllegalArgumentException("no room for " + added + " special tokens in " + maxLength);
        return room;
    }

    /** The longer gives way until both are equal; then the second of the sorted two gets an odd last place. */
    private static int[] longestFirst(int first, int second, int room) {
        if (first + second <= room) return new int[] {first, second};
        int shorter = Math.min(first, second);
        int longer = Math.max(shorter, room - shorter);
        if (shorter > room || shorter + longer > room) {
            shorter = room / 2;
            longer = room - shorter;
        }
        return first <= second ? new int[] {shorter, longer} : new int[] {longer, shorter};
    }

    /** {@code second} is null where there is no pair. */
    private Encoding assemble(Pieces first, Pieces second, boolean truncated) {
        int length = first.size() + 2 + (second == null ? 0 : second.size() + 1);
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
            for (int i = 0; i < pieces.size(); i++, at++) {
                ids[at] = pieces.id(i);
                types[at] = sequence;
                sequences[at] = sequence;
                offsets[at] = pieces.span(i);
                if (ids[at] == spec.unknown) unknown++;
            }
            ids[at] = spec.sep;
            types[at] = sequence;
            sequences[at++] = -1;
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
                out.forgetFrom(mark);
                out.add(spec.unknown, text.origin(from), text.origin(to - 1) + 1);
                return;
            }
            out.add(id, text.origin(start), text.origin(end - 1) + 1);
        }
    }

    /** Token ids of one text with their places in it. */
    private static final class Pieces {
        private final List<int[]> rows;

        Pieces() {
            this(new ArrayList<>());
        }

        private Pieces(List<int[]> rows) {
            this.rows = rows;
        }

        void add(int id, int from, int to) {
            rows.add(new int[] {id, from, to});
        }

        void forgetFrom(int size) {
            rows.subList(size, rows.size()).clear();
        }

        Pieces cut(int from, int to) {
            return new Pieces(rows.subList(from, to));
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
