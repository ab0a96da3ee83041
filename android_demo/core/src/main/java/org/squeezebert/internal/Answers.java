package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;

/** From a model's outputs to answers, the arithmetic of squeezebert_mobile/postprocess.py, in doubles. */
public final class Answers {
    /** Longest answer in tokens, as on the Python side. */
    private static final int MAX_ANSWER_TOKENS = 30;

    private Answers() { }

    static double[] softmax(double[] logits) {
        double peak = Arrays.stream(logits).max().orElse(0);
        double[] exponents = Arrays.stream(logits).map(x -> Math.exp(x - peak)).toArray();
        double total = Arrays.stream(exponents).sum();
        return Arrays.stream(exponents).map(x -> x / total).toArray();
    }

    static double[] sigmoid(double[] logits) {
        return Arrays.stream(logits).map(x -> 0.5 * (1 + Math.tanh(0.5 * x))).toArray();
    }

    /** Exclusive labels by falling probability. */
    public static List<LabelScore> classify(double[] logits, List<String> labels) {
        return rankLabels(softmax(logits), labels);
    }

    /** Independent labels by falling probability. */
    public static List<LabelScore> classifyMulti(double[] logits, List<String> labels) {
        return rankLabels(sigmoid(logits), labels);
    }

    /** The values as they are, in the labels' order. */
    public static List<LabelScore> regress(double[] logits, List<String> labels) {
        List<LabelScore> values = new ArrayList<>();
        for (int i = 0; i < logits.length; i++) values.add(new LabelScore(labels.get(i), logits[i]));
        return values;
    }

    private static List<LabelScore> rankLabels(double[] values, List<String> labels) {
        List<LabelScore> ranked = new ArrayList<>();
        for (int i = 0; i < values.length; i++) ranked.add(new LabelScore(labels.get(i), values[i]));
        ranked.sort((a, b) -> Double.compare(b.score, a.score)); // stable: equal values keep the labels' order
        return ranked;
    }

    /** The {@code count} likeliest tokens for one mask; spare rows behind the {@code tokens} fill none, but have their share of the probability. */
    public static List<Filling> fillMask(double[] logits, int tokens, int count) {
        double[] probabilities = softmax(logits);
        Integer[] order = new Integer[tokens];
        for (int i = 0; i < order.length; i++) order[i] = i;
        Arrays.sort(order, (a, b) -> Double.compare(probabilities[b], probabilities[a]));
        List<Filling> fillings = new ArrayList<>();
        for (int i = 0; i < Math.min(count, order.length); i++) fillings.add(new Filling(order[i], probabilities[order[i]]));
        return fillings;
    }

    /** The cosine of two vectors, 0 where one is all zeros. */
    public static double cosine(double[] first, double[] second) {
        double product = 0;
        double firstSquare = 0;
        double secondSquare = 0;
        for (int i = 0; i < first.length; i++) {
            product += first[i] * second[i];
            firstSquare += first[i] * first[i];
            secondSquare += second[i] * second[i];
        }
        double lengths = Math.sqrt(firstSquare * secondSquare);
        return lengths > 0 ? product / lengths : 0;
    }

    static int argmax(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            if (values[i] > values[best]) best = i;
        }
        return best;
    }

    /** One stretch of a long context with its logits. */
    public static final class Window {
        final double[] start;
        final double[] end;
        final Encoding encoding;

        public Window(double[] start, double[] end, Encoding encoding) {
            this.start = start;
            this.end = end;
            this.encoding = encoding;
        }

        double[] logits(boolean starts) {
            return starts ? start : end;
        }

        /** What "no answer" scores: the first token, [CLS], as start and end. */
        double nullScore() {
            return start[0] + end[0];
        }

        /** The context's tokens are one run: the template puts them between two separators. */
        int first() {
            int first = 0;
            while (first < encoding.length() && encoding.sequenceIds[first] != 1) first++;
            return first;
        }

        int onePastLast() {
            int last = encoding.length();
            while (last > 0 && encoding.sequenceIds[last - 1] != 1) last--;
            return last;
        }
    }

    /**
     * The best span over all windows, its score the product of the probabilities of start and end among all context tokens. With a
     * threshold the first token, in the window where it scores least, stands for "no answer": it is normalised with the others, and
     * wins where it leads the best span by more logits than that.
     */
    public static AnswerSpan answer(List<Window> windows, String context, Double nullThreshold) {
        Window nullWindow = nullThreshold == null ? null : nullWindow(windows);
        Window bestWindow = null;
        int[] best = null;
        double bestScore = Double.NEGATIVE_INFINITY;
        for (Window window : windows) {
            int[] span = bestSpan(window);
            if (span == null || window.start[span[0]] + window.end[span[1]] <= bestScore) continue;
            bestScore = window.start[span[0]] + window.end[span[1]];
            bestWindow = window;
            best = span;
        }
        double total = logTotal(windows, nullWindow, true) + logTotal(windows, nullWindow, false);
        Double probability = nullWindow == null ? null : (Double) Math.exp(nullWindow.nullScore() - total);
        if (best == null) return AnswerSpan.none(null, probability);
        Double margin = nullWindow == null ? null : (Double) (nullWindow.nullScore() - bestScore);
        if (margin != null && margin > nullThreshold) return AnswerSpan.none(margin, probability);
        int start = bestWindow.encoding.offsets[best[0]][0];
        int end = bestWindow.encoding.offsets[best[1]][1];
        return AnswerSpan.of(CodePoints.substring(context, start, end), Math.exp(bestScore - total), start, end, margin, probability);
    }

    /** The first of the windows in which "no answer" scores least. */
    private static Window nullWindow(List<Window> windows) {
        Window least = windows.get(0);
        for (Window window : windows) {
            if (window.nullScore() < least.nullScore()) least = window;
        }
        return least;
    }

    /** The logarithm of the sum of exponentials over the context tokens of all windows, and over "no answer" where there is one. */
    private static double logTotal(List<Window> windows, Window nullWindow, boolean starts) {
        DoubleStream logits = nullWindow == null ? DoubleStream.empty() : DoubleStream.of(nullWindow.logits(starts)[0]);
        for (Window window : windows) {
            logits = DoubleStream.concat(logits, Arrays.stream(window.logits(starts), window.first(), Math.max(window.first(), window.onePastLast())));
        }
        double[] all = logits.toArray();
        double peak = Arrays.stream(all).max().orElse(0);
        return peak + Math.log(Arrays.stream(all).map(logit -> Math.exp(logit - peak)).sum());
    }

    /** First and last token of the span with the largest sum of logits; the earliest of equals; null without context. */
    private static int[] bestSpan(Window window) {
        int[] best = null;
        double bestScore = Double.NEGATIVE_INFINITY;
        int stop = window.onePastLast();
        for (int first = window.first(); first < stop; first++) {
            for (int last = first; last < Math.min(stop, first + MAX_ANSWER_TOKENS); last++) {
                double score = window.start[first] + window.end[last];
                if (score <= bestScore) continue;
                bestScore = score;
                best = new int[] {first, last};
            }
        }
        return best;
    }
}
