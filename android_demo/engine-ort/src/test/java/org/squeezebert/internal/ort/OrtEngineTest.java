package org.squeezebert.internal.ort;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.Prediction;
import org.squeezebert.internal.Predictor;
import org.squeezebert.internal.SelfTest;
import org.squeezebert.internal.SelfTestReport;

/** The real ONNX Runtime on the bundle that -Dbundle.dir names. */
class OrtEngineTest {
    private final Map<String, EngineProvider> providers = EngineProvider.installed();
    private Bundle bundle;

    @BeforeEach
    void open() throws Exception {
        String folder = System.getProperty("bundle.dir", "");
        assumeFalse(folder.isEmpty(), "no bundle: pass -Dbundle.dir=FOLDER");
        bundle = Bundle.open(Paths.get(folder));
    }

    private Model load(Artifact artifact, int threads) {
        return Model.load(bundle, artifact, providers, threads, NanoClock.SYSTEM);
    }

    @Test
    void everyArtifactAnswersAsTheReference() throws Exception {
        int tested = 0;
        for (Artifact artifact : bundle.manifest.artifacts) {
            if (!artifact.runtime.equals("onnx")) continue;
            for (int threads = 1; threads <= 2; threads++) {
                try (Model model = load(artifact, threads)) {
                    SelfTestReport report = SelfTest.run(bundle, artifact, model, (done, of) -> { });
                    assertEquals("", report.reason(), artifact.title());
                    assertTrue(report.idCases > 0 && report.outputCases > 0);
                    System.out.printf("ONNX Runtime %s, %s, threads %d: ids equal in %d cases, argmax equal in %d of %d, max abs difference %.2e%n",
                        providers.get("onnx").version(), artifact.precision, threads, report.idCases, report.argmaxEqual, report.outputCases, report.maxAbs);
                    tested++;
                }
            }
        }
        assertTrue(tested > 0, "the bundle has no ONNX artifact");
    }

    @Test
    void answersHoldTheirTimes() throws Exception {
        try (Model model = load(bundle.manifest.artifacts.get(0), 1)) {
            Prediction prediction = new Predictor(bundle, model, 16, NanoClock.SYSTEM).predict("A fine film.", "");
            assertEquals(bundle.manifest.labels.size(), prediction.labels.size());
            assertEquals(1, prediction.labels.stream().mapToDouble(label -> label.score).sum(), 1e-9);
            assertTrue(prediction.inferNanos > 0 && prediction.totalNanos >= prediction.inferNanos + prediction.tokenizeNanos);
            assertTrue(model.coldLoadNanos > 0);
        }
    }

    @Test
    void badIdsAreRefusedBeforeTheRuntime() throws Exception {
        try (Model model = load(bundle.manifest.artifacts.get(0), 1)) {
            long[][][] inputs = {{{}, {}}, {new long[513], new long[513]}, {{999_999}, {0}}, {{-1}, {0}}, {{1}, {2}}, {{1, 2}, {0}}};
            for (long[][] input : inputs) {
                assertEquals(SqueezeBertException.Kind.USAGE, assertThrows(SqueezeBertException.class, () -> model.run(input[0], input[1])).kind());
            }
            model.run(new long[] {1}, new long[] {0});
        }
    }

    @Test
    void whatIsNoModelIsOneSentence(@TempDir Path folder) throws Exception {
        Path path = folder.resolve("model.onnx");
        Files.write(path, new byte[] {8, 1, 2, 3});
        Artifact artifact = bundle.manifest.artifacts.get(0);
        for (String file : new String[] {path.toString(), folder.resolve("missing.onnx").toString()}) {
            SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> providers.get("onnx").open(file, artifact, 1));
            assertEquals(SqueezeBertException.Kind.UNSUPPORTED, e.kind());
            assertTrue(e.getMessage().startsWith(artifact.path + ": ONNX Runtime ") && !e.getMessage().contains("\n"), e.getMessage());
        }
    }

    @Test
    void aRuntimeThatIsNotInstalledIsNamed() {
        Artifact artifact = bundle.manifest.artifacts.get(0);
        SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> Model.load(bundle, artifact, java.util.Collections.emptyMap(), 1, NanoClock.SYSTEM));
        assertTrue(e.getMessage().contains("(found onnx, expected [])"), e.getMessage());
    }
}
