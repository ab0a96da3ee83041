package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.List;

/** Cuts normalized text into words: white space ends a word, punctuation is one by itself. */
final class BertPreTokenizer {
    private BertPreTokenizer() { }

    /** The words as {first, one past last} indices into {@code text}. */
    static List<int[]> split(AlignedText text) {
        return split(text, 0, text.length());
    }

    /** The words of {@code text[from, to)}. */
    static List<int[]> split(AlignedText text, int from, int to) {
        CharacterTables tables = CharacterTables.INSTANCE;
        List<int[]> words = new ArrayList<>();
        int start = from;
        for (int i = from; i <= to; i++) {
            boolean end = i == to;
            boolean punctuation = !end && tables.punctuation.contains(text.codePoint(i));
            if (!end && !punctuation && !tables.separators.contains(text.codePoint(i))) continue;
            if (i > start) words.add(new int[] {start, i});
            if (punctuation) words.add(new int[] {i, i + 1});
            start = i + 1;
        }
        return words;
    }
}
