package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.AnswerSpan;
import org.squeezebert.internal.LabelScore;
import org.squeezebert.internal.PostProcessing;
import org.squeezebert.internal.Prediction;

/** An answer in one sentence, which the screen puts into words. */
public final class Headline {
    /** What the sentence says. */
    public enum Kind {
        /** One label, text or piece with its probability. */
        ANSWER,
        /** Several, with the least of their probabilities. */
        ANSWERS,
        /** No label of several is likelier than not; the value is the likeliest one's probability. */
        NO_LABEL,
        /** The text does not answer, with the probability of that. */
        NO_ANSWER,
        /** A value that is no probability. */
        NUMBER,
        /** How many names were found. */
        FOUND,
        /** The cosine of two texts. */
        SIMILARITY,
        /** How many numbers the vector has. */
        DIMENSIONS
    }

    private static final double LIKELY = 0.5;

    public final Kind kind;
    public final List<String> labels;
    public final double value;

    private Headline(Kind kind, List<String> labels, double value) {
        this.kind = kind;
        this.labels = Collections.unmodifiableList(labels);
        this.value = value;
    }

    /** Another probability of the same labels is the same answer; numbers differ a little between any two files. */
    public boolean saysTheSameAs(Headline other) {
        return kind == other.kind && labels.equals(other.labels) && (kind != Kind.FOUND || value == other.value);
    }

    static Headline of(Prediction prediction, PostProcessing post) {
        switch (post) {
            case SIGMOID:
                return likely(prediction.labels);
            case REGRESSION:
                return new Headline(Kind.NUMBER, Collections.singletonList(prediction.labels.get(0).label), prediction.labels.get(0).score);
            case ENTITY_SPANS:
                return new Headline(Kind.FOUND, Collections.emptyList(), prediction.entities.size());
            case ANSWER_SPAN:
                AnswerSpan answer = prediction.answer;
                if (!answer.hasAnswer) return new Headline(Kind.NO_ANSWER, Collections.emptyList(), answer.score);
                return new Headline(Kind.ANSWER, Collections.singletonList(answer.text), answer.score);
            case MASK_FILLINGS:
                List<LabelScore> best = new ArrayList<>();
                for (List<LabelScore> filling : prediction.fillings) best.add(filling.get(0));
                return all(best);
            case NONE:
                if (prediction.similarity != null) return new Headline(Kind.SIMILARITY, Collections.emptyList(), prediction.similarity);
                return new Headline(Kind.DIMENSIONS, Collections.emptyList(), prediction.vector.length);
            default:
                return all(prediction.labels.subList(0, 1));
        }
    }

    /** The labels that are likelier than not; they come with the likeliest first. */
    static Headline likely(List<LabelScore> labels) {
        List<LabelScore> likely = new ArrayList<>();
        for (LabelScore label : labels) {
            if (label.score >= LIKELY) likely.add(label);
        }
        return likely.isEmpty() ? new Headline(Kind.NO_LABEL, Collections.emptyList(), labels.get(0).score) : all(likely);
    }

    private static Headline all(List<LabelScore> scores) {
        List<String> labels = new ArrayList<>();
        double least = 1;
        for (LabelScore score : scores) {
            labels.add(score.label);
            least = Math.min(least, score.score);
        }
        return new Headline(labels.size() == 1 ? Kind.ANSWER : Kind.ANSWERS, labels, least);
    }
}
