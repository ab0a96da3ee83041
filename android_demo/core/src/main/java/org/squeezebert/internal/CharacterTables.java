package org.squeezebert.internal;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * The character classes and mappings of the {@code tokenizers} library, read from wordpiece_tables.txt.
 *
 * <p>The platform's own are not used: Unicode's version differs between Android releases, and token ids must not.
 */
final class CharacterTables {
    /** From the root: a minifier renames this package, and leaves its files where they are. */
    private static final String TABLES = "/org/squeezebert/internal/wordpiece_tables.txt";
    static final CharacterTables INSTANCE = load();

    /** Removed by text cleaning: control, format and private-use characters. */
    final Ranges dropped;
    /** Turned into a plain space by text cleaning. */
    final Ranges spaces;
    final Ranges cjk;
    /** White space: ends a word and is not part of any. */
    final Ranges separators;
    /** A word of its own. */
    final Ranges punctuation;
    /** Beside an added token that must be a word of its own, makes it part of another word. */
    final Ranges ofWords;
    private final Map<Integer, int[]> withoutAccents;
    private final Map<Integer, int[]> lowercase;

    private CharacterTables(Map<String, Ranges> sets, Map<String, Map<Integer, int[]>> maps) {
        dropped = sets.get("DROP");
        spaces = sets.get("SPACE");
        cjk = sets.get("CJK");
        separators = sets.get("SPLIT");
        punctuation = sets.get("PUNCTUATION");
        ofWords = sets.get("WORD");
        withoutAccents = maps.get("STRIP_ACCENTS");
        lowercase = maps.get("LOWERCASE");
    }

    /** The canonical decomposition without non-spacing marks, or null where that is the code point itself. */
    int[] withoutAccents(int codePoint) {
        return codePoint >= 0xAC00 && codePoint <= 0xD7A3 ? jamo(codePoint - 0xAC00) : withoutAccents.get(codePoint);
    }

    /** The lower-case form, or null where that is the code point itself. */
    int[] lowercase(int codePoint) {
        return lowercase.get(codePoint);
    }

    /** Hangul syllables decompose by arithmetic (Unicode standard, section 3.12). */
    private static int[] jamo(int index) {
        int leading = 0x1100 + index / 588;
        int vowel = 0x1161 + index % 588 / 28;
        int trailing = 0x11A7 + index % 28;
        return trailing == 0x11A7 ? new int[] {leading, vowel} : new int[] {leading, vowel, trailing};
    }

    private static CharacterTables load() {
        Map<String, Ranges> sets = new HashMap<>();
        Map<String, Map<Integer, int[]>> maps = new HashMap<>();
        try (InputStream in = CharacterTables.class.getResourceAsStream(TABLES);
             BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.US_ASCII))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                String[] words = line.split(" ");
                String[] entries = Arrays.copyOfRange(words, Math.min(2, words.length), words.length);
                if (words[0].equals("set")) sets.put(words[1], new Ranges(entries));
                if (words[0].equals("map")) maps.put(words[1], mapping(entries));
            }
        } catch (IOException e) {
            throw new IllegalStateException("wordpiece_tables.txt is not in the app", e);
        }
        return new CharacterTables(sets, maps);
    }

    private static Map<Integer, int[]> mapping(String[] entries) {
        Map<Integer, int[]> map = new HashMap<>(2 * entries.length);
        for (String entry : entries) {
            int colon = entry.indexOf(':');
            String to = entry.substring(colon + 1);
            int[] codePoints = to.isEmpty() ? new int[0] : Arrays.stream(to.split("\\.")).mapToInt(hex -> Integer.parseInt(hex, 16)).toArray();
            map.put(Integer.parseInt(entry.substring(0, colon), 16), codePoints);
        }
        return map;
    }

    /** Sorted, disjoint ranges of code points. */
    static final class Ranges {
        private final int[] first;
        private final int[] last;

        Ranges(String[] entries) {
            first = new int[entries.length];
            last = new int[entries.length];
            for (int i = 0; i < entries.length; i++) {
                int dash = entries[i].indexOf('-');
                first[i] = Integer.parseInt(entries[i].substring(0, dash), 16);
                last[i] = Integer.parseInt(entries[i].substring(dash + 1), 16);
            }
        }

        boolean contains(int codePoint) {
            int at = Arrays.binarySearch(first, codePoint);
            return at >= 0 || at < -1 && codePoint <= last[-at - 2];
        }
    }
}
