package org.squeezebert;

import org.jspecify.annotations.Nullable;
import org.squeezebert.internal.AnswerSpan;
import org.squeezebert.internal.CodePoints;

/** The part of a context that answers a question, or that none does. */
public final class Answer {
    private final AnswerSpan found;
    private final int start;
    private final int end;

    Answer(AnswerSpan found, String context) {
        this.found = found;
        start = CodePoints.index(context, found.start);
        end = CodePoints.index(context, found.end);
    }

    /** False where the context does not answer; only a bundle with a threshold for that ever says so of a context that has words. */
    public boolean hasAnswer() {
        return found.hasAnswer;
    }

    /** The answer as it stands in the context, empty where there is none. */
    public String text() {
        return found.text;
    }

    /** The probability of the answer, or of there being none, from 0 to 1. */
    public double score() {
        return found.score;
    }

    /** Where it begins in the context, as {@link String#substring(int, int)} counts; 0 where there is none. */
    public int start() {
        return start;
    }

    /** Where it ends in the context, as {@link String#substring(int, int)} counts; 0 where there is none. */
    public int end() {
        return end;
    }

    /** The probability of there being no answer; null of a bundle that always answers. */
    public @Nullable Double noAnswerProbability() {
        return found.nullProbability;
    }

    @Override
    public String toString() {
        return hasAnswer() ? "\"" + text() + "\" " + score() : "no answer " + score();
    }
}
