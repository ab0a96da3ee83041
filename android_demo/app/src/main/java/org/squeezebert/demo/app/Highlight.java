package org.squeezebert.demo.app;

import org.squeezebert.internal.CodePoints;

/** A span to mark in a text, in UTF-16 units. */
public final class Highlight {
    public final int start;
    public final int end;

    Highlight(String text, int startCodePoint, int endCodePoint) {
        start = CodePoints.index(text, startCodePoint);
        end = CodePoints.index(text, endCodePoint);
    }
}
