package org.squeezebert;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.LabelScore;

/** A label, choice or token with its score. */
public final class Scored {
    private final String label;
    private final double score;

    private Scored(LabelScore found) {
        label = found.label;
        score = found.score;
    }

    static List<Scored> of(List<LabelScore> found) {
        List<Scored> scored = new ArrayList<>();
        for (LabelScore each : found) scored.add(new Scored(each));
        return Collections.unmodifiableList(scored);
    }

    /** What has the score, in the words of the bundle or of the call. */
    public String label() {
        return label;
    }

    /** A probability from 0 to 1, of a regression the value itself. */
    public double score() {
        return score;
    }

    @Override
    public String toString() {
        return label + " " + score;
    }
}
