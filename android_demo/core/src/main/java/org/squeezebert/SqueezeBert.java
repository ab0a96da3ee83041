package org.squeezebert;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.Prediction;
import org.squeezebert.internal.Predictor;
import org.squeezebert.internal.SelfTest;
import org.squeezebert.internal.TaskKind;

/**
 * A bundle with one of its files loaded. It answers the task that its model was trained for; the methods of other tasks refuse.
 *
 * <p>Any thread may call it: one inference runs at a time, and {@link #close} waits for it.
 */
public final class SqueezeBert implements AutoCloseable {
    private final Bundle bundle;
    private final Artifact artifact;
    private final BundleInfo info;
    private final Tokenizer tokenizer;
    private final Model model;
    private final Predictor predictor;
    private final Object lock = new Object();
    private boolean isClosed;

    private SqueezeBert(Bundle bundle, Artifact artifact, int threads, Map<String, EngineProvider> runtimes) {
        this.bundle = bundle;
        this.artifact = artifact;
        info = new BundleInfo(bundle.manifest, artifact, threads);
        tokenizer = new Tokenizer(bundle.tokenizer(), artifact.maxLength);
        model = Model.load(bundle, artifact, runtimes, threads, NanoClock.SYSTEM);
        predictor = new Predictor(bundle, model, artifact.maxLength, NanoClock.SYSTEM);
    }

    /**
     * Opens the bundle in {@code folder} with its fastest exact file for a runtime of this build, and as many threads as it recommends.
     *
     * @throws SqueezeBertException where it is no bundle, is damaged, or has nothing that this build runs
     */
    public static SqueezeBert open(Path folder) {
        return open(folder, Options.DEFAULT);
    }

    /**
     * Opens the bundle in {@code folder}. Of its files those that are used are compared with their digests first, each time; the folder
     * must be one that nobody else writes, as those of {@link Bundles} are.
     *
     * @throws SqueezeBertException where it is no bundle, is damaged, or has nothing that fits {@code options} and this build
     */
    public static SqueezeBert open(Path folder, Options options) {
        Bundle bundle = Bundle.listed(requireNonNull(folder, "folder"));
        Manifest manifest = bundle.manifest;
        if (manifest.peer != null) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, Manifest.NAME, "is of " + manifest.peer + ", which is measured and answers nothing",
                "open a bundle that export wrote");
        }
        Map<String, EngineProvider> runtimes = EngineProvider.installed();
        Artifact artifact = requireNonNull(options, "options").choose(manifest.artifacts, runtimes.keySet());
        return new SqueezeBert(bundle, artifact, options.threads(manifest.recommendedThreads), runtimes);
    }

    /** The labels of a text. Of text-classification. */
    public Classification classify(String text) {
        return new Classification(predict("classify", TaskKind.TEXT_CLASSIFICATION, text, null, Collections.emptyList()));
    }

    /** The labels of a pair of texts, such as a premise and a hypothesis. Of text-classification. */
    public Classification classify(String first, String second) {
        return new Classification(predict("classify", TaskKind.TEXT_CLASSIFICATION, first, requireNonNull(second, "second"), Collections.emptyList()));
    }

    /** The named spans of a text, in its order. Of token-classification. */
    public List<Entity> entities(String text) {
        return Entity.of(predict("entities", TaskKind.TOKEN_CLASSIFICATION, text, null, Collections.emptyList()).entities, text);
    }

    /** The part of {@code context}, which may be of any length, that answers a question, or that none does. Of question-answering. */
    public Answer answer(String question, String context) {
        Prediction found = predict("answer", TaskKind.QUESTION_ANSWERING, question, requireNonNull(context, "context"), Collections.emptyList());
        return new Answer(found.answer, context);
    }

    /** For each {@link #mask} of a text its likeliest tokens, the best first. Of fill-mask. */
    public List<List<Scored>> fillMask(String text) {
        List<List<Scored>> masks = new ArrayList<>();
        predict("fillMask", TaskKind.FILL_MASK, text, null, Collections.emptyList()).fillings.forEach(found -> masks.add(Scored.of(found)));
        return Collections.unmodifiableList(masks);
    }

    /** Which of two or more {@code choices} goes on from {@code prompt}, the best first. Of multiple-choice. */
    public Classification choose(String prompt, List<String> choices) {
        List<String> asked = Collections.unmodifiableList(new ArrayList<>(choices));
        for (String choice : asked) requireNonNull(choice, "a choice");
        return new Classification(predict("choose", TaskKind.MULTIPLE_CHOICE, prompt, null, asked));
    }

    /** The vector of a text. Of feature-extraction, where the bundle states a pooling or has a pooler. */
    public float[] embed(String text) {
        double[] vector = predict("embed", TaskKind.FEATURE_EXTRACTION, text, null, Collections.emptyList()).vector;
        float[] values = new float[vector.length];
        for (int i = 0; i < values.length; i++) values[i] = (float) vector[i]; // as the model gave it
        return values;
    }

    /** What stands for a word to be guessed by {@link #fillMask}, empty where the tokenizer has no such token. */
    public String mask() {
        return bundle.mask();
    }

    /** The tokenizer of the bundle, which works on when this is closed. */
    public Tokenizer tokenizer() {
        return tokenizer;
    }

    /** What was opened. */
    public BundleInfo info() {
        return info;
    }

    /** Whether this device computes what the reference computed, on the golden texts of the bundle; takes as long as some dozen answers. */
    public SelfTestResult selfTest() {
        synchronized (lock) {
            requireOpen();
            return new SelfTestResult(SelfTest.run(bundle, artifact, model, (done, of) -> { }));
        }
    }

    /** Frees the model; a second call does nothing. */
    @Override
    public void close() {
        synchronized (lock) {
            if (!isClosed) model.close();
            isClosed = true;
        }
    }

    private Prediction predict(String method, TaskKind task, String text, @Nullable String second, List<String> choices) {
        requireNonNull(text, "text");
        TaskKind own = bundle.manifest.task;
        if (own != task) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, method, "is of another task than the bundle", own.id, task.id,
                "call what a bundle of " + own.id + " answers");
        }
        synchronized (lock) {
            requireOpen();
            return predictor.predict(text, second, choices);
        }
    }

    private void requireOpen() {
        if (isClosed) throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "SqueezeBert", "is closed", "open the bundle again");
    }
}
