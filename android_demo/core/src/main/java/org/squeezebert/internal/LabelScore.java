package org.squeezebert.internal;

/** A label with its probability, or its value for regression. */
public final class LabelScore {
    public final String label;
    public final double score;

    public LabelScore(String label, double score) {
        this.label = label;
        this.score = score;
    }
}
