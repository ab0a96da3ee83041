package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The answer to one input, with where its time went. Lists that the task does not fill are empty. */
public final class Prediction {
    public List<LabelScore> labels = Collections.emptyList();
    public List<Entity> entities = Collections.emptyList();
    /** For each [MASK] of the text its likeliest pieces. */
    public List<List<LabelScore>> fillings = Collections.emptyList();
    /** Null but for question answering. */
    public AnswerSpan answer;
    /** The vector of feature extraction for the text, else empty. */
    public double[] vector = new double[0];
    /** The cosine of the vectors of two texts, null where there is one text or no vector of a text. */
    public Double similarity;

    /** All rows that the model read. */
    public final List<Encoding> encodings = new ArrayList<>();
    public long tokenizeNanos;
    public long inferNanos;
    public long totalNanos;

    Prediction() { }

    public int tokens() {
        int tokens = 0;
        for (Encoding encoding : encodings) tokens += encoding.length();
        return tokens;
    }

    /** True where text was left out; windows over a long context leave nothing out. */
    public boolean truncated() {
        return answer == null && encodings.stream().anyMatch(encoding -> encoding.truncated);
    }

    /** [UNK] tokens over all tokens of the texts, the mean over the rows. */
    public double unknownShare() {
        return encodings.stream().mapToDouble(Encoding::unknownShare).average().orElse(0);
    }
}
