package org.squeezebert.demo.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
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
        Session session = new Session(store, () -> Collections.singletonMap("onnx", runtime), NanoClock.SYSTEM, null, memory, () -> null, Runnable::run, Runnable::run);
        session.start();
        return session;
    }

    @Test
    void theSmallestOfTheFilesIsChosenWhereNothingElseWas() throws Exception {
        assertEquals(INT8, started().artifact().path);
    }

    private static BundlesPresenter.Document document(Path file, long bytes) {
        return new BundlesPresenter.Document() {
            @Override
            public InputStream open() throws IOException {
                return Files.newInputStream(file);
            }

            @Override
            public long bytes() {
                return bytes;
            }
        };
    }

    @Test
    void anImportNeedsRoomForTheZipAndForTheBundleBeforeAByteIsCopied() throws Exception {
        long free = Files.getFileStore(temporary).getUsableSpace();
        Session session = started();
        BundlesPresenter bundles = new BundlesPresenter(session, new ClassifyPresenter(session));
        Path cache = temporary.resolve("cache");
        bundles.importZip(document(temporary.resolve("not read"), free * 2 / 3), "large.zip", cache.toFile());
        assertTrue(bundles.state().error.startsWith("storage: is too full for this bundle"), bundles.state().error);
        bundles.importZip(document(temporary.resolve("not there"), -1), "large.zip", cache.toFile());
        assertTrue(bundles.state().error.contains("large.zip: cannot be read"), bundles.state().error);
    }

    @Test
    void aResultThatCannotBeSavedIsTold() throws Exception {
        BenchmarkPresenter benchmark = new BenchmarkPresenter(started());
        benchmark.save(() -> {
            throw new IOException("no space left");
        });
        assertTrue(benchmark.state().error.contains("cannot be written (no space left)"), benchmark.state().error);
        benchmark.save(() -> null);
        assertTrue(benchmark.state().error.contains("gave nothing"), benchmark.state().error);
    }

    @Test
    void theRuntimesAreLookedForOnTheWorkerAlone() throws Exception {
        List<Runnable> queued = new ArrayList<>();
        Session session = new Session(store, () -> {
            assertFalse(queued.isEmpty(), "not before the worker runs");
            return Collections.emptyMap();
        }, NanoClock.SYSTEM, null, memory, () -> null, queued::add, Runnable::run);
        ClassifyPresenter classify = new ClassifyPresenter(session);
        classify.start();
        assertTrue(classify.state().busy);
        queued.get(0).run();
        assertEquals("", classify.state().error);
    }

    @Test
    void aPeerIsNeverTakenIn() throws Exception {
        TestBundle peer = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "LABEL_0", "LABEL_1");
        peer.manifest.put("peer", "BERT-base");
        peer.write(temporary.resolve("pushed/a"));
        Session session = started();
        BundlesPresenter bundles = new BundlesPresenter(session, new ClassifyPresenter(session));
        bundles.importPushed(temporary.resolve("pushed"));
        assertTrue(bundles.state().error.contains("holds no bundle"), bundles.state().error);
        Path zip = temporary.resolve("peer.zip");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip))) {
            out.putNextEntry(new ZipEntry(Manifest.NAME));
            out.write(peer.manifestBytes());
            for (Map.Entry<String, byte[]> file : peer.files.entrySet()) {
                out.putNextEntry(new ZipEntry(file.getKey()));
                out.write(file.getValue());
            }
        }
        bundles.importZip(document(zip, Files.size(zip)), "peer.zip", temporary.resolve("cache").toFile());
        assertTrue(bundles.state().error.contains("is of BERT-base"), bundles.state().error);
        assertEquals(1, store.digests().size());
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
