package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Answers;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.Prediction;
import org.squeezebert.internal.Predictor;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.bench.Percentiles;

/** Text in, answer with its times out; with a second file, both side by side. */
public final class ClassifyPresenter extends Presenter<ClassifyState> {
    /** Of each of two compared files, after one that warms it up. */
    private static final int COMPARED_RUNS = 5;
    /** Of slow files fewer runs are made. */
    private static final long COMPARED_NANOS = 1_000_000_000L;

    /** What somebody wants to know; the object tells whether it is still the newest. */
    private static final class Asked {
        final String text;
        final String second;

        Asked(String text, String second) {
            this.text = text;
            this.second = second;
        }
    }

    /** Of the bundle that was opened last. */
    private volatile String mask = "";
    private volatile Asked asked;
    private volatile Artifact other;

    public ClassifyPresenter(Session session) {
        super(session, new ClassifyState(true, "", null, "", null, Collections.emptyList()));
    }

    /** Opens the bundle at the start of the app, and shows the new one after a change. */
    public void start() {
        asked = null;
        other = null;
        work(without(true, ""), () -> {
            if (session.bundle() == null) session.start();
            Bundle bundle = session.bundle();
            mask = bundle == null || bundle.manifest.task != TaskKind.FILL_MASK ? "" : bundle.mask();
            publish(without(false, bundle == null ? "app: has no bundle; fix: import one on the Bundles screen" : ""));
        });
    }

    /** Another artifact or number of threads, which answers the text again. */
    public void select(Artifact artifact, int threads) {
        if (artifact == session.artifact() && threads == session.threads()) return;
        if (artifact == other) other = null;
        change(() -> session.select(artifact, threads));
    }

    /** The file that is compared with the chosen one, or null. */
    public Artifact other() {
        return other;
    }

    /** Compares the chosen file with {@code artifact} from now on, with none where it is null. */
    public void compareWith(Artifact artifact) {
        if (artifact == other) return;
        other = artifact;
        change(session::unload); // of the former one
    }

    /** Answers, also where the text is empty. */
    public void run(String text, String second) {
        ask(new Asked(text, second));
    }

    /** Answers what stands in the fields while somebody types, and forgets what stood there before. */
    public void typed(String text, String second) {
        Asked before = asked;
        if (before != null && before.text.equals(text) && before.second.equals(second)) return;
        TaskKind task = state().task;
        boolean lacksSecond = task != null && task.needsSecondText() && second.trim().isEmpty();
        if (!text.trim().isEmpty() && !lacksSecond) {
            ask(new Asked(text, second));
        } else if (before != null) {
            asked = null;
            publish(without(false, ""));
        }
    }

    private void ask(Asked now) {
        asked = now;
        work(with(true, state().answer, state().compared), () -> answer(now));
    }

    private void change(Runnable change) {
        Asked again = asked;
        work(without(true, ""), () -> {
            change.run();
            if (again == null) {
                publish(without(false, ""));
            } else {
                answer(again);
            }
        });
    }

    /** Shows the answer, unless something newer was asked by then. */
    private void answer(Asked now) {
        if (asked != now) return;
        try {
            Model model = session.model();
            Prediction prediction = predictor(session.artifact(), model).predict(now.text, now.second);
            ShownAnswer answer = new ShownAnswer(session.bundle(), prediction, model.coldLoadNanos, now.text, now.second);
            if (asked != now) return;
            Artifact second = other;
            publish(with(second != null, answer, second == null ? Collections.emptyList() : state().compared));
            if (second != null) compare(now, answer, Arrays.asList(session.artifact(), second));
        } catch (SqueezeBertException e) {
            if (asked == now) throw e;
        }
    }

    private Predictor predictor(Artifact artifact, Model model) {
        return new Predictor(session.bundle(), model, artifact.maxLength, session.clock);
    }

    /** The files take turns: a phone that gets slower meanwhile slows both down. */
    private void compare(Asked now, ShownAnswer answer, List<Artifact> files) {
        List<Model> models = new ArrayList<>();
        List<Prediction> predictions = new ArrayList<>();
        for (Artifact file : files) {
            models.add(session.model(file));
            predictions.add(predictor(file, models.get(models.size() - 1)).predict(now.text, now.second));
        }
        long[][] nanos = new long[files.size()][COMPARED_RUNS];
        int runs = 0;
        long start = session.clock.nanos();
        while (runs < COMPARED_RUNS && (runs == 0 || session.clock.nanos() - start < COMPARED_NANOS)) {
            for (int file = 0; file < files.size(); file++) {
                if (asked != now) return;
                nanos[file][runs] = predictor(files.get(file), models.get(file)).predict(now.text, now.second).inferNanos;
            }
            runs++;
        }
        List<Compared> compared = new ArrayList<>();
        for (int file = 0; file < files.size(); file++) {
            Headline headline = Headline.of(predictions.get(file), session.bundle().manifest.postProcessing);
            double median = Percentiles.of(Arrays.copyOf(nanos[file], runs), 50) / 1e6;
            compared.add(new Compared(files.get(file), headline, median, models.get(file).coldLoadNanos / 1e6));
        }
        if (asked == now) publish(with(false, answer, compared));
    }

    private ClassifyState with(boolean busy, ShownAnswer answer, List<Compared> compared) {
        return new ClassifyState(busy, "", task(), mask, answer, compared);
    }

    private ClassifyState without(boolean busy, String error) {
        return new ClassifyState(busy, error, task(), mask, null, Collections.emptyList());
    }

    private TaskKind task() {
        Bundle bundle = session.bundle();
        return bundle == null ? null : bundle.manifest.task;
    }

    @Override
    protected ClassifyState failed(String message) {
        return without(false, message);
    }
}
