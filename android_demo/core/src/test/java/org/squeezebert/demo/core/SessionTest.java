package org.squeezebert.demo.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Collections;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SessionTest {
    private static final String FP32 = "onnx/model.onnx";
    private static final String INT8 = "onnx/model_quantized.onnx";

    @TempDir
    Path temporary;
    private BundleStore store;
    private final Session.Memory memory = new Session.Memory() {
        private String digest = "";
        private String path = "";

        @Override
        public String activeDigest() {
            return digest;
        }

        @Override
        public void setActiveDigest(String now) {
            digest = now;
        }

        @Override
        public String artifact() {
            return path;
        }

        @Override
        public void setArtifact(String now) {
            path = now;
        }
    };

    @BeforeEach
    void install() throws Exception {
        TestBundle made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        made.files.put(INT8, TestBundle.utf8("not a model either"));
        store = new BundleStore(temporary.resolve("store"));
        store.install(new FolderSource(made.write(temporary.resolve("bundle"))));
    }

    /** What the app shows after its process was started. */
    private Session started() throws DemoException {
        EngineProvider runtime = new EngineProvider() {
            @Override
            public String runtime() {
                return "onnx";
            }

            @Override
            public String version() {
                return "0";
            }

            @Override
            public InferenceEngine open(String path, Artifact artifact, int threads) throws DemoException {
                throw new DemoException(DemoException.Kind.UNSUPPORTED, path, "is no model", "load none");
            }
        };
        Session session = new Session(store, Collections.singletonMap("onnx", runtime), NanoClock.SYSTEM, null, memory, () -> null, Runnable::run, Runnable::run);
        session.start();
        return session;
    }

    @Test
    void theSmallestOfTheFilesIsChosenWhereNothingElseWas() throws Exception {
        assertEquals(INT8, started().artifact().path);
    }

    @Test
    void aChoiceIsRememberedWhenTheProcessIsGone() throws Exception {
        Session session = started();
        for (Artifact artifact : session.artifacts()) {
            if (artifact.path.equals(FP32)) session.select(artifact, 1);
        }
        assertEquals(FP32, started().artifact().path);
    }
}
