package org.squeezebert.demo.core;

/** A span of the context; start and end count code points; an empty text where there is no answer. */
public final class AnswerSpan {
    public final String text;
    public final double score;
    public final int start;
    public final int end;

    AnswerSpan(String text, double score, int start, int end) {
        this.text = text;
        this.score = score;
        this.start = start;
        this.end = end;
    }
}
