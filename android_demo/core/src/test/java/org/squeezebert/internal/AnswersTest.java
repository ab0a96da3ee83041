package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The arithmetic is the Python side's up to the last bits of exp, tanh and the order of sums. */
class AnswersTest {
    private static final double TOLERANCE = 1e-12;
    private static JsonValue vectors;

    @BeforeAll
    static void readVectors() throws Exception {
        vectors = Vectors.read("answers.json");
    }

    @Test
    void labels() throws Exception {
        List<String> labels = vectors.get("labels").strings();
        for (JsonValue row : vectors.get("classification").items()) {
            double[] logits = doubles(row.get("logits"));
            String kind = row.get("kind").string();
            List<LabelScore> found = kind.equals("softmax") ? Answers.classify(logits, labels)
                : kind.equals("sigmoid") ? Answers.classifyMulti(logits, labels) : Answers.regress(logits, labels);
            requireScores(row.get("want"), found);
        }
    }

    private static void requireScores(JsonValue want, List<LabelScore> found) throws Exception {
        assertEquals(want.items().size(), found.size(), want.path());
        for (int i = 0; i < found.size(); i++) {
            assertEquals(want.items().get(i).get("label").string(), found.get(i).label, want.path());
            assertEquals(want.items().get(i).get("score").number(), found.get(i).score, TOLERANCE, want.path());
        }
    }

    @Test
    void entities() throws Exception {
        List<String> tags = vectors.get("tags").strings();
        for (JsonValue row : vectors.get("entities").items()) {
            List<JsonValue> continues = row.get("continues").items();
            int length = continues.size();
            boolean[] goesOn = new boolean[length];
            for (int i = 0; i < length; i++) goesOn[i] = continues.get(i).bool();
            int[] sequences = new int[length];
            sequences[0] = sequences[length - 1] = -1;
            Encoding encoding = new Encoding(new long[length], new long[length], pairs(row.get("offsets")), sequences, false, 0);
            float[] flat = new float[length * tags.size()];
            for (int i = 0; i < flat.length; i++) flat[i] = (float) row.get("logits").items().get(i / tags.size()).items().get(i % tags.size()).number();
            List<Entity> found = Entities.of(new Tensor(new long[] {1, length, tags.size()}, flat), tags, encoding, goesOn, vectors.get("text").string());
            List<JsonValue> want = row.get("want").items();
            assertEquals(want.size(), found.size(), row.path());
            for (int i = 0; i < found.size(); i++) {
                assertEquals(want.get(i).get("label").string(), found.get(i).label);
                assertEquals(want.get(i).get("text").string(), found.get(i).text);
                assertEquals(want.get(i).get("start").count(0), found.get(i).start);
                assertEquals(want.get(i).get("end").count(0), found.get(i).end);
                assertEquals(want.get(i).get("score").number(), found.get(i).score, TOLERANCE);
            }
        }
    }

    @Test
    void answers() throws Exception {
        for (JsonValue row : vectors.get("answers").items()) {
            List<Answers.Window> windows = new ArrayList<>();
            for (JsonValue window : row.get("windows").items()) {
                long[] sequences = window.get("sequence_ids").longs();
                int[] sequenceIds = new int[sequences.length];
                for (int i = 0; i < sequences.length; i++) sequenceIds[i] = (int) sequences[i];
                Encoding encoding = new Encoding(new long[sequences.length], new long[sequences.length], pairs(window.get("offsets")), sequenceIds, true, 0);
                windows.add(new Answers.Window(doubles(window.get("start")), doubles(window.get("end")), encoding));
            }
            Double threshold = optional(row.get("null_threshold"));
            AnswerSpan found = Answers.answer(windows, row.get("context").string(), threshold);
            assertEquals(row.get("want").get("has_answer").bool(), found.hasAnswer, row.path());
            requireClose(optional(row.get("want").get("null_margin")), found.nullMargin, row.path());
            requireClose(optional(row.get("want").get("null_probability")), found.nullProbability, row.path());
            assertEquals(row.get("want").get("text").string(), found.text, row.path());
            assertEquals(row.get("want").get("start").count(0), found.start, row.path());
            assertEquals(row.get("want").get("end").count(0), found.end, row.path());
            assertEquals(row.get("want").get("score").number(), found.score, TOLERANCE, row.path());
        }
    }

    private static Double optional(JsonValue json) throws Exception {
        return json.isNull() ? null : (Double) json.number();
    }

    private static void requireClose(Double want, Double found, String path) {
        assertEquals(want == null, found == null, path);
        if (want != null) assertEquals(want, found, TOLERANCE, path);
    }

    @Test
    void fillings() throws Exception {
        for (JsonValue row : vectors.get("fillings").items()) {
            List<Filling> found = Answers.fillMask(doubles(row.get("logits")), row.get("tokens").count(1), 5);
            for (int i = 0; i < found.size(); i++) {
                assertEquals(row.get("want").items().get(i).get("token_id").count(0), found.get(i).tokenId, row.path());
                assertEquals(row.get("want").items().get(i).get("score").number(), found.get(i).score, TOLERANCE, row.path());
            }
        }
    }

    @Test
    void similarities() throws Exception {
        for (JsonValue row : vectors.get("similarities").items()) {
            double found = Answers.cosine(doubles(row.get("first")), doubles(row.get("second")));
            assertEquals(row.get("want").number(), found, TOLERANCE, row.path());
        }
    }

    private static double[] doubles(JsonValue json) throws Exception {
        double[] values = new double[json.items().size()];
        for (int i = 0; i < values.length; i++) values[i] = json.items().get(i).number();
        return values;
    }

    private static int[][] pairs(JsonValue json) throws Exception {
        int[][] pairs = new int[json.items().size()][];
        for (int i = 0; i < pairs.length; i++) {
            long[] pair = json.items().get(i).longs();
            pairs[i] = new int[] {(int) pair[0], (int) pair[1]};
        }
        return pairs;
    }
}
