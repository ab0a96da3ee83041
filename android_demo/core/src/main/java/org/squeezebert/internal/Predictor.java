package org.squeezebert.internal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** Text in, answer out, for each of the six tasks. */
public final class Predictor {
    private static final int FILLINGS = 5;
    /** Tokens of the context that neighbouring windows share, as in BERT's SQuAD script. */
    private static final int STRIDE = 128;

    private final Bundle bundle;
    private final InferenceEngine model;
    private final int maxLength;
    private final NanoClock clock;

    public Predictor(Bundle bundle, InferenceEngine model, int maxLength, NanoClock clock) {
        this.bundle = bundle;
        this.model = model;
        this.maxLength = maxLength;
        this.clock = clock;
    }

    /** As a screen has it: {@code second} is the pair, the context or the choices (one per line); empty where there is none. */
    public Prediction predict(String text, String second) {
        if (bundle.manifest.task == TaskKind.MULTIPLE_CHOICE) return predict(text, null, lines(second));
        boolean isNone = second.isEmpty() && bundle.manifest.task != TaskKind.QUESTION_ANSWERING;
        return predict(text, isNone ? null : second, Collections.emptyList());
    }

    /** {@code second} is the pair or the context, null where there is none; {@code choices} are at least two for multiple-choice. */
    public Prediction predict(String text, String second, List<String> choices) {
        WordPieceTokenizer tokenizer = bundle.tokenizer();
        Prediction prediction = new Prediction();
        long start = clock.nanos();
        prediction.encodings.addAll(encode(tokenizer, text, second, choices));
        for (Encoding row : prediction.encodings) {
            if (row.length() == 0) throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "text", "has no tokens", "write some words");
        }
        prediction.tokenizeNanos = clock.nanos() - start;
        List<Map<String, Tensor>> outputs = new ArrayList<>();
        long inferStart = clock.nanos();
        for (Encoding encoding : prediction.encodings) outputs.add(model.run(encoding.ids, encoding.typeIds));
        prediction.inferNanos = clock.nanos() - inferStart;
        answer(prediction, outputs, text, second, choices);
        prediction.totalNanos = clock.nanos() - start;
        return prediction;
    }

    private List<Encoding> encode(WordPieceTokenizer tokenizer, String text, String second, List<String> choices) {
        switch (bundle.manifest.task) {
            case QUESTION_ANSWERING:
                return tokenizer.windows(text, second, maxLength, Math.min(STRIDE, maxLength / 4));
            case MULTIPLE_CHOICE:
                requireChoices(choices);
                List<Encoding> rows = new ArrayList<>();
                for (String choice : choices) rows.add(tokenizer.encode(text, choice, maxLength));
                return rows;
            case FEATURE_EXTRACTION:
            case TEXT_CLASSIFICATION:
                if (bundle.manifest.pooled && second != null) {
                    return Arrays.asList(tokenizer.encode(text, null, maxLength), tokenizer.encode(second, null, maxLength)); // two texts, not one pair
                }
                return Collections.singletonList(tokenizer.encode(text, second, maxLength));
            default:
                return Collections.singletonList(tokenizer.encode(text, null, maxLength));
        }
    }

    /** The non-blank lines of a second field, each a choice. */
    public static List<String> lines(String second) {
        List<String> lines = new ArrayList<>();
        for (String line : second.split("\n")) {
            if (!line.trim().isEmpty()) lines.add(line.trim());
        }
        return lines;
    }

    private static void requireChoices(List<String> choices) {
        if (choices.size() < 2) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "choices", "are too few", choices.size(), "at least 2", "give two or more, in a text field one per line");
        }
    }

    private void answer(Prediction prediction, List<Map<String, Tensor>> outputs, String text, String second, List<String> choices) {
        List<String> labels = bundle.manifest.labels;
        Tensor logits = outputs.get(0).get("logits");
        switch (bundle.manifest.postProcessing) {
            case SOFTMAX:
                prediction.labels = Answers.classify(logits.row(0), labels);
                break;
            case SIGMOID:
                prediction.labels = Answers.classifyMulti(logits.row(0), labels);
                break;
            case REGRESSION:
                prediction.labels = Answers.regress(logits.row(0), labels);
                break;
            case ENTITY_SPANS:
                prediction.entities = entities(logits, prediction.encodings.get(0), text);
                break;
            case ANSWER_SPAN:
                prediction.answer = answerSpan(prediction.encodings, outputs, second);
                break;
            case MASK_FILLINGS:
                prediction.fillings = fillings(prediction.encodings.get(0), logits, text);
                break;
            case CHOICE:
                prediction.labels = choice(outputs, choices);
                break;
            default:
                prediction.vector = vector(outputs.get(0));
                if (outputs.size() > 1) prediction.similarity = Answers.cosine(prediction.vector, vector(outputs.get(1)));
        }
    }

    private double[] vector(Map<String, Tensor> outputs) {
        Tensor vector = outputs.get(bundle.manifest.pooled ? "sentence_embedding" : "pooler_output");
        if (vector == null) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, Manifest.NAME, "has no pooler and no pooling: no output is the vector of a text",
                "export again with --pooling mean");
        }
        return vector.row(0);
    }

    private AnswerSpan answerSpan(List<Encoding> encodings, List<Map<String, Tensor>> outputs, String context) {
        List<Answers.Window> windows = new ArrayList<>();
        for (int i = 0; i < encodings.size(); i++) {
            windows.add(new Answers.Window(outputs.get(i).get("start_logits").values(), outputs.get(i).get("end_logits").values(), encodings.get(i)));
        }
        return Answers.answer(windows, context, bundle.manifest.nullThreshold);
    }

    private List<Entity> entities(Tensor logits, Encoding encoding, String text) {
        return Entities.of(logits, bundle.manifest.labels, encoding, bundle.tokenizer().continues(encoding, text), text);
    }

    private List<List<LabelScore>> fillings(Encoding encoding, Tensor logits, String text) {
        Vocabulary vocabulary = bundle.tokenizer().vocabulary();
        List<List<LabelScore>> masks = new ArrayList<>();
        for (int token = 0; token < encoding.length(); token++) {
            if (encoding.ids[token] != bundle.manifest.tokenizer.mask) continue;
            List<LabelScore> found = new ArrayList<>();
            for (Filling filling : Answers.fillMask(logits.row(token), vocabulary.size(), FILLINGS)) {
                found.add(new LabelScore(vocabulary.token(filling.tokenId), filling.score));
            }
            masks.add(found);
        }
        if (masks.isEmpty()) throw withoutMask(vocabulary.token(bundle.manifest.tokenizer.mask), text);
        return masks;
    }

    private static SqueezeBertException withoutMask(String mask, String text) {
        if (text.contains(mask)) {
            return new SqueezeBertException(SqueezeBertException.Kind.USAGE, "text", "has its " + mask + " where it is cut off", "shorten the text");
        }
        String fix = "write " + mask + " where the missing word is";
        for (String other : new String[] {"[MASK]", "<mask>"}) { // the names that other models have for it
            if (text.contains(other)) return new SqueezeBertException(SqueezeBertException.Kind.USAGE, "text", "has no " + mask + " to fill", other, mask, fix);
        }
        return new SqueezeBertException(SqueezeBertException.Kind.USAGE, "text", "has no " + mask + " to fill", fix);
    }

    private static List<LabelScore> choice(List<Map<String, Tensor>> outputs, List<String> choices) {
        double[] logits = new double[choices.size()];
        for (int i = 0; i < logits.length; i++) logits[i] = outputs.get(i).get("logits").data[0];
        return Answers.classify(logits, choices);
    }
}
