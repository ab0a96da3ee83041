package org.squeezebert;

import static java.util.Objects.requireNonNull;

import org.squeezebert.internal.WordPieceTokenizer;

/** The tokenizer of a bundle: the ids of transformers' AutoTokenizer. Immutable, so any thread may call it. */
public final class Tokenizer {
    private final WordPieceTokenizer tokenizer;
    private final int maxLength;

    Tokenizer(WordPieceTokenizer tokenizer, int maxLength) {
        this.tokenizer = tokenizer;
        this.maxLength = maxLength;
    }

    /** The tokens of a text, cut to what the model takes. */
    public Tokens encode(String text) {
        return new Tokens(tokenizer, tokenizer.encode(text, null, maxLength), text, "");
    }

    /** The tokens of a pair of texts, cut to what the model takes, the longer text first. */
    public Tokens encode(String first, String second) {
        return new Tokens(tokenizer, tokenizer.encode(first, requireNonNull(second, "second"), maxLength), first, second);
    }
}
