package org.squeezebert;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.CodePoints;

/** A named span of a text. */
public final class Entity {
    private final String label;
    private final double score;
    private final String text;
    private final int start;
    private final int end;

    private Entity(org.squeezebert.internal.Entity found, String whole) {
        label = found.label;
        score = found.score;
        text = found.text;
        start = CodePoints.index(whole, found.start);
        end = CodePoints.index(whole, found.end);
    }

    static List<Entity> of(List<org.squeezebert.internal.Entity> found, String whole) {
        List<Entity> entities = new ArrayList<>();
        for (org.squeezebert.internal.Entity each : found) entities.add(new Entity(each, whole));
        return Collections.unmodifiableList(entities);
    }

    /** What it is, such as PER. */
    public String label() {
        return label;
    }

    /** The mean probability of its words, from 0 to 1. */
    public double score() {
        return score;
    }

    /** Its words as they stand in the text. */
    public String text() {
        return text;
    }

    /** Where it begins, as {@link String#substring(int, int)} counts. */
    public int start() {
        return start;
    }

    /** Where it ends, as {@link String#substring(int, int)} counts. */
    public int end() {
        return end;
    }

    @Override
    public String toString() {
        return label + " \"" + text + "\" " + score;
    }
}
