package org.squeezebert.internal;

/** A span of the context; start and end count code points; an empty text where the context does not answer. */
public final class AnswerSpan {
    public final String text;
    /** The probability of the span, or of "no answer" where there is none. */
    public final double score;
    public final int start;
    public final int end;
    public final boolean hasAnswer;
    /** By how many logits "no answer" leads the best span; null without a span and where every question is answered. */
    public final Double nullMargin;
    /** The probability of "no answer"; null where every question is answered. */
    public final Double nullProbability;

    private AnswerSpan(String text, double score, int start, int end, boolean hasAnswer, Double nullMargin, Double nullProbability) {
        this.text = text;
        this.score = score;
        this.start = start;
        this.end = end;
        this.hasAnswer = hasAnswer;
        this.nullMargin = nullMargin;
        this.nullProbability = nullProbability;
    }

    static AnswerSpan of(String text, double score, int start, int end, Double nullMargin, Double nullProbability) {
        return new AnswerSpan(text, score, start, end, true, nullMargin, nullProbability);
    }

    static AnswerSpan none(Double nullMargin, Double nullProbability) {
        return new AnswerSpan("", nullProbability == null ? 0 : nullProbability, 0, 0, false, nullMargin, nullProbability);
    }
}
