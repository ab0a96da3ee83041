package org.squeezebert.demo.app;

/** One line of an answer: what it tells, which the screen puts into words, and its value. */
public final class ResultRow {
    /** What a row tells; only the first two name their label. */
    public enum Kind { PROBABILITY, NUMBER, NO_ANSWER, NOTHING_FOUND, SIMILARITY, DIMENSIONS, LENGTH }

    public final Kind kind;
    /** Of the model or the text, empty where the kind says it all. */
    public final String label;
    public final double value;

    ResultRow(Kind kind, String label, double value) {
        this.kind = kind;
        this.label = label;
        this.value = value;
    }

    ResultRow(Kind kind, double value) {
        this(kind, "", value);
    }

    /** True where the value is 0 to 1 and a bar shows it. */
    public boolean isProbability() {
        return kind == Kind.PROBABILITY || kind == Kind.NO_ANSWER;
    }
}
