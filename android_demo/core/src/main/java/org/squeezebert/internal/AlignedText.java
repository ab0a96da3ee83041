package org.squeezebert.internal;

import java.util.Arrays;

/** Code points, each with the index of the code point of the user's text that it came from. */
final class AlignedText {
    private int[] codePoints;
    private int[] origins;
    private int length;

    AlignedText(int capacity) {
        codePoints = new int[capacity];
        origins = new int[capacity];
    }

    /** A text as it stands. */
    static AlignedText of(int[] text) {
        AlignedText out = new AlignedText(text.length);
        for (int i = 0; i < text.length; i++) out.add(text[i], i);
        return out;
    }

    void add(int codePoint, int origin) {
        if (length == codePoints.length) {
            codePoints = Arrays.copyOf(codePoints, 2 * length + 16);
            origins = Arrays.copyOf(origins, 2 * length + 16);
        }
        codePoints[length] = codePoint;
        origins[length++] = origin;
    }

    int length() {
        return length;
    }

    int codePoint(int index) {
        return codePoints[index];
    }

    int origin(int index) {
        return origins[index];
    }

    String substring(int from, int to) {
        return new String(codePoints, from, to - from);
    }
}
