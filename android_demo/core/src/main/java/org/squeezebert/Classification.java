package org.squeezebert;

import java.util.List;
import org.squeezebert.internal.Prediction;

/** The labels of a text, or the choices, with their scores. */
public final class Classification {
    private final List<Scored> labels;
    private final int tokens;
    private final boolean truncated;
    private final long nanos;

    Classification(Prediction found) {
        labels = Scored.of(found.labels);
        tokens = found.tokens();
        truncated = found.truncated();
        nanos = found.totalNanos;
    }

    /** All of them, never empty: by falling probability, of a regression in the bundle's order. Unmodifiable. */
    public List<Scored> labels() {
        return labels;
    }

    /** The first of them. */
    public Scored best() {
        return labels.get(0);
    }

    /** How many tokens the model read. */
    public int tokens() {
        return tokens;
    }

    /** True where the text was longer than the model takes, and its end was left out. */
    public boolean truncated() {
        return truncated;
    }

    /** The time from text to answer, in nanoseconds. */
    public long nanos() {
        return nanos;
    }

    @Override
    public String toString() {
        return labels.toString();
    }
}
