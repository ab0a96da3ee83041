package org.squeezebert.demo.desktop;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.List;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.Encoding;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;

/** The demo's tokenizer and engine over a file of texts, one JSON line of ids, logits and nanoseconds each, to compare with Python's. */
public final class Logits {
    private Logits() { }

    /** Arguments: BUNDLE ARTIFACT_PATH TEXTS_FILE (one text per line). */
    public static void main(String[] arguments) throws IOException {
        Bundle bundle = Bundle.open(Paths.get(arguments[0]));
        Artifact artifact = bundle.manifest.artifacts.stream().filter(a -> a.path.equals(arguments[1])).findFirst()
            .orElseThrow(() -> new IllegalArgumentException("no artifact " + arguments[1]));
        List<String> texts = Files.readAllLines(Paths.get(arguments[2]), StandardCharsets.UTF_8);
        try (Model model = Model.load(bundle, artifact, EngineProvider.installed(), 1, NanoClock.SYSTEM)) {
            for (String text : texts) {
                Encoding encoding = bundle.tokenizer().encode(text, null, artifact.maxLength);
                long start = System.nanoTime();
                float[] logits = model.run(encoding.ids, encoding.typeIds).get("logits").data;
                long nanos = System.nanoTime() - start;
                System.out.println("{\"ids\":" + Json.write(encoding.ids) + ",\"logits\":" + Json.write(logits) + ",\"ns\":" + nanos + "}");
            }
        }
    }
}
