package com.example.consumer;

import java.io.IOException;
import java.nio.file.Paths;
import java.util.Map;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.LabelScore;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.Predictor;

/** {@code BUNDLE TEXT BROKEN}: the labels of the text, a line each, and what is said of a file that is no model. */
public final class Main {
    private Main() { }

    public static void main(String[] arguments) throws IOException {
        Bundle bundle = Bundle.open(Paths.get(arguments[0]));
        Map<String, EngineProvider> runtimes = EngineProvider.installed();
        for (Artifact artifact : bundle.manifest.artifacts) {
            if (!runtimes.containsKey(artifact.runtime)) continue;
            try (Model model = Model.load(bundle, artifact, runtimes, 1, NanoClock.SYSTEM)) {
                for (LabelScore found : new Predictor(bundle, model, artifact.maxLength, NanoClock.SYSTEM).predict(arguments[1], "").labels) {
                    System.out.println(found.label + " " + found.score);
                }
            }
            try {
                runtimes.get(artifact.runtime).open(arguments[2], artifact, 1).close();
            } catch (SqueezeBertException e) {
                System.out.println("refused: " + e.getMessage()); // the runtime's native code threw
            }
        }
    }
}
