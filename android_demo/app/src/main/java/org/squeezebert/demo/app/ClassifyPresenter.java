package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.squeezebert.internal.AnswerSpan;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.Entity;
import org.squeezebert.internal.LabelScore;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.PostProcessing;
import org.squeezebert.internal.Prediction;
import org.squeezebert.internal.Predictor;
import org.squeezebert.internal.TaskKind;

/** Text in, answer with its times out. */
public final class ClassifyPresenter extends Presenter<ClassifyState> {
    /** Of the bundle that was opened last. */
    private volatile String mask = "";

    public ClassifyPresenter(Session session) {
        super(session, ClassifyState.empty(true, "", "", null, ""));
    }

    /** Opens the bundle at the start of the app, and shows the new one after a change. */
    public void start() {
        work(empty(true, ""), () -> {
            if (session.bundle() == null) session.start();
            Bundle bundle = session.bundle();
            mask = bundle == null || bundle.manifest.task != TaskKind.FILL_MASK ? "" : bundle.mask();
            publish(empty(false, session.bundle() == null ? "app: has no bundle; fix: import one on the Bundles screen" : ""));
        });
    }

    /** Another artifact or number of threads; the model is loaded at the next answer. */
    public void select(Artifact artifact, int threads) {
        if (artifact == session.artifact() && threads == session.threads()) return;
        work(empty(true, ""), () -> {
            session.select(artifact, threads);
            publish(empty(false, ""));
        });
    }

    public void run(String text, String second) {
        work(empty(true, ""), () -> {
            Model model = session.model();
            Predictor predictor = new Predictor(session.bundle(), model, session.artifact().maxLength, session.clock);
            publish(answered(predictor.predict(text, second), model.coldLoadNanos, text, second));
        });
    }

    private ClassifyState answered(Prediction prediction, long coldLoad, String text, String second) {
        List<ResultRow> rows = new ArrayList<>();
        List<Highlight> highlights = new ArrayList<>();
        String marked = "";
        boolean regression = session.bundle().manifest.postProcessing == PostProcessing.REGRESSION;
        for (LabelScore label : prediction.labels) {
            rows.add(regression ? new ResultRow(label.label, number("%.4f", label.score), -1) : scored(label.label, label.score));
        }
        for (int mask = 0; mask < prediction.fillings.size(); mask++) {
            for (LabelScore filling : prediction.fillings.get(mask)) {
                rows.add(scored((prediction.fillings.size() > 1 ? (mask + 1) + ": " : "") + filling.label, filling.score));
            }
        }
        for (Entity entity : prediction.entities) {
            marked = text;
            rows.add(scored(entity.label + ": " + entity.text, entity.score));
            highlights.add(new Highlight(text, entity.start, entity.end));
        }
        if (prediction.answer != null) {
            marked = second;
            AnswerSpan answer = prediction.answer;
            rows.add(answer.hasAnswer ? scored(answer.text, answer.score) : ResultRow.noAnswer(percent(answer.score), answer.score));
            if (answer.hasAnswer) highlights.add(new Highlight(second, answer.start, answer.end));
        }
        if (session.bundle().manifest.task == TaskKind.TOKEN_CLASSIFICATION && rows.isEmpty()) rows.add(new ResultRow("(nothing found)", "", -1));
        if (prediction.similarity != null) rows.add(new ResultRow("similarity", number("%.4f", prediction.similarity), -1));
        if (prediction.vector.length > 0) addVector(rows, prediction.vector);
        return new ClassifyState(false, "", modelLine(), session.bundle().manifest.task, mask, rows, marked, highlights, facts(prediction),
            times(prediction, coldLoad));
    }

    private static void addVector(List<ResultRow> rows, double[] vector) {
        double square = 0;
        for (double value : vector) square += value * value;
        rows.add(new ResultRow("dimensions", String.valueOf(vector.length), -1));
        rows.add(new ResultRow("length of the vector", number("%.4f", Math.sqrt(square)), -1));
        for (int i = 0; i < Math.min(8, vector.length); i++) rows.add(new ResultRow("[" + i + "]", number("%.4f", vector[i]), -1));
    }

    private static ResultRow scored(String label, double score) {
        return new ResultRow(label, percent(score), score);
    }

    private static String percent(double probability) {
        return number("%.1f %%", 100 * probability);
    }

    private static String facts(Prediction prediction) {
        String rows = prediction.encodings.size() > 1 ? " in " + prediction.encodings.size() + " rows" : "";
        String unknown = number(", %.0f %% unknown", 100 * prediction.unknownShare());
        return prediction.tokens() + " tokens" + rows + unknown + (prediction.truncated() ? ", text was cut at the model's limit" : "");
    }

    private static String times(Prediction prediction, long coldLoad) {
        return String.format(Locale.ROOT, "tokenise %.2f ms, infer %.2f ms, total %.2f ms, cold load %.1f ms",
            prediction.tokenizeNanos / 1e6, prediction.inferNanos / 1e6, prediction.totalNanos / 1e6, coldLoad / 1e6);
    }

    private static String number(String format, double value) {
        return String.format(Locale.ROOT, format, value);
    }

    private String modelLine() {
        Bundle bundle = session.bundle();
        if (bundle == null) return "";
        Artifact artifact = session.artifact();
        return bundle.manifest.task.id + (artifact == null ? "" : " · " + artifact.title() + " · " + Session.threads(session.threads()));
    }

    private ClassifyState empty(boolean busy, String error) {
        return ClassifyState.empty(busy, error, modelLine(), session.bundle() == null ? null : session.bundle().manifest.task, mask);
    }

    @Override
    protected ClassifyState failed(String message) {
        return empty(false, message);
    }
}
