package org.squeezebert;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.CodePoints;
import org.squeezebert.internal.Encoding;
import org.squeezebert.internal.WordPieceTokenizer;

/** A text, or a pair, as the model reads it. */
public final class Tokens {
    private final List<Token> tokens;
    private final boolean truncated;

    Tokens(WordPieceTokenizer tokenizer, Encoding encoding, String first, String second) {
        List<Token> made = new ArrayList<>();
        for (int i = 0; i < encoding.length(); i++) made.add(new Token(tokenizer, encoding, i, encoding.sequenceIds[i] == 1 ? second : first));
        tokens = Collections.unmodifiableList(made);
        truncated = encoding.truncated;
    }

    /** All of them in order, those that frame a text included. Unmodifiable. */
    public List<Token> list() {
        return tokens;
    }

    /** Their ids, in an array of the caller's own. */
    public long[] ids() {
        return tokens.stream().mapToLong(Token::id).toArray();
    }

    /** True where text was left out. */
    public boolean truncated() {
        return truncated;
    }

    @Override
    public String toString() {
        return tokens.toString();
    }

    /** A token, and where it stands in its text. */
    public static final class Token {
        private final long id;
        private final String piece;
        private final int type;
        private final int text;
        private final int start;
        private final int end;

        private Token(WordPieceTokenizer tokenizer, Encoding encoding, int index, String of) {
            id = encoding.ids[index];
            piece = tokenizer.vocabulary().token((int) id);
            type = (int) encoding.typeIds[index];
            text = encoding.sequenceIds[index];
            start = CodePoints.index(of, encoding.offsets[index][0]);
            end = CodePoints.index(of, encoding.offsets[index][1]);
        }

        /** Its number in the vocabulary. */
        public long id() {
            return id;
        }

        /** Its entry in the vocabulary, such as {@code film} or {@code ##s}. */
        public String piece() {
            return piece;
        }

        /** The token type that the model reads beside the id, 0 or 1. */
        public int type() {
            return type;
        }

        /** 0 for a token of the text, 1 for one of its pair, -1 for those that frame them. */
        public int text() {
            return text;
        }

        /** Where it begins in its text, as {@link String#substring(int, int)} counts; 0 where it is of none. */
        public int start() {
            return start;
        }

        /** Where it ends in its text, as {@link String#substring(int, int)} counts; 0 where it is of none. */
        public int end() {
            return end;
        }

        @Override
        public String toString() {
            return piece;
        }
    }
}
