package org.squeezebert.internal.bench;

import java.util.Map;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.SelfTest;

/** A file to measure, and the open bundle that it is in. */
public final class BenchmarkTarget {
    final Bundle bundle;
    final Artifact artifact;

    public BenchmarkTarget(Bundle bundle, Artifact artifact) {
        this.bundle = bundle;
        this.artifact = artifact;
    }

    /** "ONNX Runtime · int8", of a peer with its name and form. */
    String title() {
        return bundle.manifest.peer == null ? artifact.title() : bundle.manifest.sourceName + " · " + artifact.title();
    }

    /** Loading verifies the file first, which is not part of the cold load: only Model's own figure is. */
    public BenchmarkRunner.Case toCase(Map<String, EngineProvider> providers, int threads, NanoClock clock) {
        return new BenchmarkRunner.Case(title(), bundle.manifest.tokenizer, () -> {
            Model model = Model.load(bundle, artifact, providers, threads, clock);
            return new BenchmarkRunner.Loaded(model, model.coldLoadNanos);
        }, this::requireAnswers);
    }

    /** Nobody ever looks at a peer's answers, and a time for wrong ones says nothing; ours have a self-test on a screen. */
    private void requireAnswers(InferenceEngine engine) {
        if (bundle.manifest.peer == null) return;
        String reason = SelfTest.run(bundle, artifact, engine, (done, of) -> { }).reason();
        if (!reason.isEmpty()) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, bundle.manifest.sourceName, "answers otherwise here than in PyTorch: " + reason, "measure without it");
        }
    }
}
