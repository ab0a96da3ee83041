package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.AnswerSpan;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.Entity;
import org.squeezebert.internal.LabelScore;
import org.squeezebert.internal.PostProcessing;
import org.squeezebert.internal.Prediction;

/** An answer with all that the screen shows of it. */
public final class ShownAnswer {
    private static final int FIRST_OF_VECTOR = 8;

    public final Headline headline;
    public final List<ResultRow> rows;
    /** The text that the highlights mark, empty where there are none. */
    public final String marked;
    public final List<Highlight> highlights;
    public final List<Piece> pieces;
    public final int tokens;
    /** How many rows the model read: choices, or windows over a long context. */
    public final int modelRows;
    /** 0 to 1. */
    public final double unknownShare;
    public final boolean truncated;
    public final long tokenizeNanos;
    public final long inferNanos;
    public final long totalNanos;
    public final long coldLoadNanos;

    ShownAnswer(Bundle bundle, Prediction prediction, long coldLoadNanos, String text, String second) {
        List<ResultRow> rows = new ArrayList<>();
        List<Highlight> highlights = new ArrayList<>();
        String marked = "";
        PostProcessing post = bundle.manifest.postProcessing;
        ResultRow.Kind kind = post == PostProcessing.REGRESSION ? ResultRow.Kind.NUMBER : ResultRow.Kind.PROBABILITY;
        for (LabelScore label : prediction.labels) rows.add(new ResultRow(kind, label.label, label.score));
        addFillings(rows, prediction.fillings);
        for (Entity entity : prediction.entities) {
            marked = text;
            rows.add(new ResultRow(ResultRow.Kind.PROBABILITY, entity.label + ": " + entity.text, entity.score));
            highlights.add(new Highlight(text, entity.start, entity.end));
        }
        if (post == PostProcessing.ENTITY_SPANS && rows.isEmpty()) rows.add(new ResultRow(ResultRow.Kind.NOTHING_FOUND, 0));
        if (prediction.answer != null) {
            marked = second;
            AnswerSpan answer = prediction.answer;
            rows.add(new ResultRow(answer.hasAnswer ? ResultRow.Kind.PROBABILITY : ResultRow.Kind.NO_ANSWER, answer.text, answer.score));
            if (answer.hasAnswer) highlights.add(new Highlight(second, answer.start, answer.end));
        }
        if (prediction.similarity != null) rows.add(new ResultRow(ResultRow.Kind.SIMILARITY, prediction.similarity));
        if (prediction.vector.length > 0) addVector(rows, prediction.vector);
        headline = Headline.of(prediction, post);
        this.rows = Collections.unmodifiableList(rows);
        this.marked = marked;
        this.highlights = Collections.unmodifiableList(highlights);
        pieces = Collections.unmodifiableList(Piece.of(bundle, prediction.encodings, text, second));
        tokens = prediction.tokens();
        modelRows = prediction.encodings.size();
        unknownShare = prediction.unknownShare();
        truncated = prediction.truncated();
        tokenizeNanos = prediction.tokenizeNanos;
        inferNanos = prediction.inferNanos;
        totalNanos = prediction.totalNanos;
        this.coldLoadNanos = coldLoadNanos;
    }

    private static void addFillings(List<ResultRow> rows, List<List<LabelScore>> fillings) {
        for (int mask = 0; mask < fillings.size(); mask++) {
            for (LabelScore filling : fillings.get(mask)) {
                rows.add(new ResultRow(ResultRow.Kind.PROBABILITY, (fillings.size() > 1 ? (mask + 1) + ": " : "") + filling.label, filling.score));
            }
        }
    }

    private static void addVector(List<ResultRow> rows, double[] vector) {
        double square = 0;
        for (double value : vector) square += value * value;
        rows.add(new ResultRow(ResultRow.Kind.DIMENSIONS, vector.length));
        rows.add(new ResultRow(ResultRow.Kind.LENGTH, Math.sqrt(square)));
        for (int i = 0; i < Math.min(FIRST_OF_VECTOR, vector.length); i++) rows.add(new ResultRow(ResultRow.Kind.NUMBER, "[" + i + "]", vector[i]));
    }
}
