package org.squeezebert.internal;

/** A labelled span of the text; start and end count code points. */
public final class Entity {
    public final String label;
    public final double score;
    public final int start;
    public final int end;
    public final String text;

    Entity(String label, double score, int start, int end, String text) {
        this.label = label;
        this.score = score;
        this.start = start;
        this.end = end;
        this.text = text;
    }
}
