package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.List;

/** Finds added tokens in a text as Hugging Face's {@code tokenizers} does: the leftmost, and of those the longest. */
final class AddedTokens {
    private static final CharacterTables TABLES = CharacterTables.INSTANCE;

    private final List<AddedToken> tokens = new ArrayList<>();
    private final List<int[]> patterns = new ArrayList<>();

    /** What the tokens look like in the text as it stands or, with {@code normalizer}, in the normalized text. */
    AddedTokens(List<AddedToken> added, BertNormalizer normalizer) {
        for (boolean special : new boolean[] {true, false}) { // of equal patterns the special one wins
            for (AddedToken token : added) {
                if (token.special == special && token.normalized == (normalizer != null)) add(token, normalizer);
            }
        }
    }

    private void add(AddedToken token, BertNormalizer normalizer) {
        int[] content = token.content.codePoints().toArray();
        AlignedText text = normalizer == null ? AlignedText.of(content) : normalizer.normalize(content, 0, content.length);
        if (text.length() == 0) return;
        tokens.add(token);
        patterns.add(text.substring(0, text.length()).codePoints().toArray());
    }

    /** The text in parts, in order. */
    List<Part> split(AlignedText text) {
        List<Part> parts = new ArrayList<>();
        int done = 0;
        for (int at = 0; at < text.length();) {
            int found = longestAt(text, at);
            if (found < 0) {
                at++;
                continue;
            }
            AddedToken token = tokens.get(found);
            int from = at;
            int to = at + patterns.get(found).length;
            at = to;
            if (token.singleWord && (isOfWord(text, from - 1) || isOfWord(text, to))) continue;
            while (token.stripLeft && from > done && TABLES.separators.contains(text.codePoint(from - 1))) from--;
            while (token.stripRight && to < text.length() && TABLES.separators.contains(text.codePoint(to))) to++;
            if (done < from) parts.add(new Part(null, done, from));
            parts.add(new Part(token, from, to));
            done = to;
        }
        if (done < text.length()) parts.add(new Part(null, done, text.length()));
        return parts;
    }

    private int longestAt(AlignedText text, int at) {
        int best = -1;
        for (int i = 0; i < patterns.size(); i++) {
            int[] pattern = patterns.get(i);
            if (best >= 0 && pattern.length <= patterns.get(best).length) continue;
            int same = 0;
            while (same < pattern.length && at + same < text.length() && text.codePoint(at + same) == pattern[same]) same++;
            if (same == pattern.length) best = i;
        }
        return best;
    }

    private static boolean isOfWord(AlignedText text, int at) {
        return at >= 0 && at < text.length() && TABLES.ofWords.contains(text.codePoint(at));
    }

    /** A token, or null for text between tokens, in [from, to). */
    static final class Part {
        final AddedToken token;
        final int from;
        final int to;

        Part(AddedToken token, int from, int to) {
            this.token = token;
            this.from = from;
            this.to = to;
        }
    }
}
