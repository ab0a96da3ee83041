package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.List;

/** Entity spans from per-token logits with BIO or plain labels; "O" is outside. A word takes the label of its first piece. */
public final class Entities {
    private Entities() { }

    /** {@code logits} is [1, W, labels]; {@code continues} marks the tokens that go on with a word. A span's score is the mean of its words' probabilities. */
    public static List<Entity> of(Tensor logits, List<String> labels, Encoding encoding, boolean[] continues, String text) {
        List<Open> spans = new ArrayList<>();
        String openKind = "";
        for (int token = 0; token < encoding.length(); token++) {
            if (encoding.sequenceIds[token] < 0) continue;
            int[] offsets = encoding.offsets[token];
            if (continues[token]) {
                if (!openKind.isEmpty()) spans.get(spans.size() - 1).end = offsets[1];
                continue;
            }
            double[] probabilities = Answers.softmax(logits.row(token));
            int best = Answers.argmax(probabilities);
            String label = labels.get(best);
            boolean bio = label.startsWith("B-") || label.startsWith("I-");
            String kind = label.equals("O") ? "" : bio ? label.substring(2) : label;
            if (!kind.isEmpty() && (!kind.equals(openKind) || label.startsWith("B-"))) spans.add(new Open(kind, offsets[0]));
            if (!kind.isEmpty()) spans.get(spans.size() - 1).extend(probabilities[best], offsets[1]);
            openKind = kind;
        }
        List<Entity> entities = new ArrayList<>();
        for (Open span : spans) {
            entities.add(new Entity(span.kind, span.total / span.words, span.start, span.end, CodePoints.substring(text, span.start, span.end)));
        }
        return entities;
    }

    /** A span that may still grow. */
    private static final class Open {
        final String kind;
        final int start;
        double total;
        int words;
        int end;

        Open(String kind, int start) {
            this.kind = kind;
            this.start = start;
        }

        void extend(double probability, int newEnd) {
            total += probability;
            words++;
            end = newEnd;
        }
    }
}
