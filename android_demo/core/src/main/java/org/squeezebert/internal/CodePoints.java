package org.squeezebert.internal;

/** Offsets of the tokenizer count code points; Java's strings count UTF-16 units. */
public final class CodePoints {
    private CodePoints() { }

    public static String substring(String text, int start, int end) {
        return text.substring(index(text, start), index(text, end));
    }

    /** The UTF-16 index of code point {@code offset}. */
    public static int index(String text, int offset) {
        return text.offsetByCodePoints(0, offset);
    }
}
