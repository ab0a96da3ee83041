package org.squeezebert.demo.core;

/** One line of an answer: a label, its value as text, and how long its bar is. */
public final class ResultRow {
    public final String label;
    public final String value;
    /** 0 to 1, or negative where a bar would mean nothing. */
    public final double fraction;

    ResultRow(String label, String value, double fraction) {
        this.label = label;
        this.value = value;
        this.fraction = fraction;
    }
}
