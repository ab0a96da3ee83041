package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.squeezebert.SqueezeBertException;

/** BERT's WordPiece tokenizer, id for id equal to Hugging Face's {@code tokenizers}. */
public final class WordPieceTokenizer {
    /** max_input_chars_per_word of BERT: longer words are unknown. */
    private static final int MAX_WORD = 100;

    private final Vocabulary vocabulary;
    private final TokenizerSpec spec;
    private final BertNormalizer normalizer;
    private final AddedTokens asWritten;
    private final AddedTokens afterNormalizing;

    /** With the added tokens in the order of their ids; where there are none, the named tokens alone are found in a text. */
    WordPieceTokenizer(Vocabulary vocabulary, TokenizerSpec spec, List<AddedToken> tokens) {
        if (vocabulary.size() != spec.vocabSize) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, "vocab.txt", "has another number of lines than the manifest says",
                vocabulary.size(), spec.vocabSize, "export the bundle again");
        }
        this.vocabulary = vocabulary.with(tokens);
        this.spec = spec;
        normalizer = new BertNormalizer(spec.lowercase, spec.stripAccents, spec.tokenizeChinese);
        List<AddedToken> added = tokens.isEmpty() ? named(vocabulary, spec) : tokens;
        asWritten = new AddedTokens(added, null);
        afterNormalizing = new AddedTokens(added, normalizer);
    }

    private static List<AddedToken> named(Vocabulary vocabulary, TokenizerSpec spec) {
        List<AddedToken> named = new ArrayList<>();
        for (int id : new int[] {spec.pad, spec.unknown, spec.cls, spec.sep, spec.mask}) {
            if (id != TokenizerSpec.NONE) named.add(new AddedToken(id, vocabulary.token(id)));
        }
        return named;
    }

    /** Every token by its id, added ones included. */
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /** Which tokens of a row over {@code text} go on with a word; an added token never does, whatever it begins with. */
    boolean[] continues(Encoding encoding, String text) {
        boolean[] continues = new boolean[encoding.length()];
        for (int i = 0; i < continues.length; i++) {
            int[] span = encoding.offsets[i];
            continues[i] = vocabulary.token((int) encoding.ids[i]).startsWith("##") && !CodePoints.substring(text, span[0], span[1]).contains("##");
        }
        return continues;
    }

    /** The row of one text or, with a pair, of two, cut to {@code maxLength} tokens, the longer text first. */
    public Encoding encode(String text, String pair, int maxLength) {
        List<TokenizerSpec.Slot> slots = pair == null ? spec.single : spec.pair;
        int room = room(maxLength, slots);
        Pieces first = pieces(text);
        Pieces second = pair == null ? new Pieces() : pieces(pair);
        int[] keep = longestFirst(first.size(), second.size(), room);
        boolean truncated = first.size() + second.size() > room;
        return assemble(slots, Arrays.asList(kept(first, keep[0]), kept(second, keep[1])), truncated);
    }

    private Pieces kept(Pieces pieces, int count) {
        return spec.truncatesLeft ? pieces.cut(pieces.size() - count, pieces.size()) : pieces.cut(0, count);
    }

    /**
     * A question with a context of any length: as many rows as it takes, neighbours sharing {@code stride} tokens of the context, or half
     * of what the question leaves where that is no more; from the context's beginning or, where a text loses that first, from its end.
     */
    public List<Encoding> windows(String question, String context, int maxLength, int stride) {
        int room = room(maxLength, spec.pair);
        Pieces first = pieces(question);
        Pieces second = pieces(context);
        int size = room - first.size();
        List<Encoding> rows = new ArrayList<>();
        if (second.size() <= size) {
            rows.add(assemble(spec.pair, Arrays.asList(first, second), false));
            return rows;
        }
        if (size < 1) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "question", "leaves no room for the context", first.size() + " tokens",
                "fewer than " + room, "shorten the question");
        }
        int shared = stride < size ? stride : size / 2;
        for (int start = 0; start < Math.max(second.size() - shared, 1); start += size - shared) {
            int stop = Math.min(start + size, second.size());
            Pieces part = spec.truncatesLeft ? second.cut(second.size() - stop, second.size() - start) : second.cut(start, stop);
            rows.add(assemble(spec.pair, Arrays.asList(first, part), true));
        }
        return rows;
    }

    private int room(int maxLength, List<TokenizerSpec.Slot> slots) {
        int added = (int) slots.stream().filter(slot -> slot.sequence < 0).count();
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

    private Encoding assemble(List<TokenizerSpec.Slot> slots, List<Pieces> texts, boolean truncated) {
        int length = 0;
        for (TokenizerSpec.Slot slot : slots) length += slot.sequence < 0 ? 1 : texts.get(slot.sequence).size();
        long[] ids = new long[length];
        long[] types = new long[length];
        int[][] offsets = new int[length][2];
        int[] sequences = new int[length];
        int at = 0;
        int unknown = 0;
        for (TokenizerSpec.Slot slot : slots) {
            int from = at;
            if (slot.sequence < 0) {
                ids[at++] = slot.token;
            } else {
                Pieces pieces = texts.get(slot.sequence);
                for (int i = 0; i < pieces.size(); i++, at++) {
                    ids[at] = pieces.id(i);
                    offsets[at] = pieces.span(i);
                    if (ids[at] == spec.unknown) unknown++;
                }
            }
            Arrays.fill(types, from, at, slot.type);
            Arrays.fill(sequences, from, at, slot.sequence);
        }
        return new Encoding(ids, types, offsets, sequences, truncated, unknown);
    }

    /** The text cut at added tokens, the rest normalized, cut at those that are found there, split into words and words into pieces. */
    private Pieces pieces(String text) {
        int[] codePoints = text.codePoints().toArray();
        Pieces out = new Pieces();
        for (AddedTokens.Part part : asWritten.split(AlignedText.of(codePoints))) {
            if (part.token == null) {
                pieces(normalizer.normalize(codePoints, part.from, part.to), out);
            } else {
                out.add(part.token.id, part.from, part.to);
            }
        }
        return out;
    }

    private void pieces(AlignedText text, Pieces out) {
        for (AddedTokens.Part part : afterNormalizing.split(text)) {
            if (part.token == null) {
                for (int[] word : BertPreTokenizer.split(text, part.from, part.to)) word(text, word[0], word[1], out);
            } else {
                out.add(part.token.id, text.origin(part.from), text.origin(part.to - 1) + 1);
            }
        }
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
