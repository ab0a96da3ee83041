package com.example.consumer;

import java.io.IOException;
import java.nio.file.Paths;
import java.util.Map;
import org.squeezebert.demo.core.Artifact;
import org.squeezebert.demo.core.Bundle;
import org.squeezebert.demo.core.DemoException;
import org.squeezebert.demo.core.EngineProvider;
import org.squeezebert.demo.core.LabelScore;
import org.squeezebert.demo.core.Model;
import org.squeezebert.demo.core.NanoClock;
import org.squeezebert.demo.core.Predictor;

/** {@code BUNDLE TEXT BROKEN}: the labels of the text, a line each, and what is said of a file that is no model. */
public final class Main {
    private Main() { }

    public static void main(String[] arguments) throws DemoException, IOException {
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
            } catch (DemoException e) {
                System.out.println("refused: " + e.getMessage()); // the runtime's native code threw
            }
        }
    }
}
