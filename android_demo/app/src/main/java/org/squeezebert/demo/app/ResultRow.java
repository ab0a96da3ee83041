package org.squeezebert.demo.app;

/** One line of an answer: a label, its value as text, and how long its bar is. */
public final class ResultRow {
    public final String label;
    public final String value;
    /** 0 to 1, or negative where a bar would mean nothing. */
    public final double fraction;
    /** True where the row says that the text does not answer, in words that are the screen's. */
    public final boolean isNoAnswer;

    ResultRow(String label, String value, double fraction) {
        this(label, value, fraction, false);
    }

    static ResultRow noAnswer(String value, double fraction) {
        return new ResultRow("", value, fraction, true);
    }

    private ResultRow(String label, String value, double fraction, boolean isNoAnswer) {
        this.label = label;
        this.value = value;
        this.fraction = fraction;
        this.isNoAnswer = isNoAnswer;
    }
}
