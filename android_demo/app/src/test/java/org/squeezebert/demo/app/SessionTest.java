package org.squeezebert.demo.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;
import static org.junit.Assert.fail;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.Digests;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.NanoClock;

/** The session and its presenters over a kept bundle, without a screen. */
public class SessionTest {
    private static final Path BUNDLE = Paths.get("../../tests/data/bundle_v2");
    private static final String ZEROS = String.join("", Collections.nCopies(64, "0"));
    private static final String FP32 = "onnx/model.onnx";
    private static final String INT8 = "onnx/model_quantized.onnx";

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();
    private Path temporary;
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

    @Before
    public void install() throws Exception {
        temporary = folder.getRoot().toPath();
        store = new BundleStore(temporary.resolve("store"));
        store.install(new FolderSource(BUNDLE));
    }

    /** What the app shows after its process was started. */
    private Session started() {
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
            public InferenceEngine open(String path, Artifact artifact, int threads) {
                throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, path, "is no model", "load none");
            }
        };
        Session session = new Session(store, () -> Collections.singletonMap("onnx", runtime), NanoClock.SYSTEM, null, memory, () -> null, Runnable::run, Runnable::run);
        session.start();
        return session;
    }

    @Test
    public void theSmallestOfTheFilesIsChosenWhereNothingElseWas() throws Exception {
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
    public void anImportNeedsRoomForTheZipAndForTheBundleBeforeAByteIsCopied() throws Exception {
        long free = Files.getFileStore(temporary).getUsableSpace();
        Session session = started();
        BundlesPresenter bundles = new BundlesPresenter(session, new ClassifyPresenter(session));
        Path cache = temporary.resolve("cache");
        bundles.importZip(document(temporary.resolve("not read"), free * 2 / 3), "large.zip", cache.toFile());
        assertTrue(bundles.state().error, bundles.state().error.startsWith("storage: is too full for this bundle"));
        bundles.importZip(document(temporary.resolve("not there"), -1), "large.zip", cache.toFile());
        assertTrue(bundles.state().error, bundles.state().error.contains("large.zip: cannot be read"));
    }

    @Test
    public void aResultThatCannotBeSavedIsTold() throws Exception {
        BenchmarkPresenter benchmark = new BenchmarkPresenter(started(), new BenchmarkHistory(temporary.resolve("history.json")));
        benchmark.save(() -> {
            throw new IOException("no space left");
        }, () -> fail("nothing was saved"));
        assertTrue(benchmark.state().error, benchmark.state().error.contains("cannot be written (no space left)"));
        benchmark.save(() -> null, () -> fail("nothing was saved"));
        assertTrue(benchmark.state().error, benchmark.state().error.contains("gave nothing"));
    }

    @Test
    public void theRuntimesAreLookedForOnTheWorkerAlone() throws Exception {
        List<Runnable> queued = new ArrayList<>();
        Session session = new Session(store, () -> {
            assertFalse("not before the worker runs", queued.isEmpty());
            return Collections.emptyMap();
        }, NanoClock.SYSTEM, null, memory, () -> null, queued::add, Runnable::run);
        ClassifyPresenter classify = new ClassifyPresenter(session);
        classify.start();
        assertTrue(classify.state().busy);
        queued.get(0).run();
        assertEquals("", classify.state().error);
    }

    /** A copy of the kept bundle, sealed as a peer's. */
    private Path peer(Path copy) throws IOException {
        Path installed = temporary.resolve("copies");
        String digest = new BundleStore(installed).install(new FolderSource(BUNDLE));
        Files.createDirectories(copy.getParent());
        Files.move(installed.resolve(digest), copy);
        Path manifest = copy.resolve(Manifest.NAME);
        String text = new String(Files.readAllBytes(manifest), StandardCharsets.UTF_8)
            .replace("\n  \"postprocessing\":", "\n  \"peer\": \"BERT-base\",\n  \"postprocessing\":")
            .replaceFirst("\"seal\": \"\\w+\"", "\"seal\": \"" + ZEROS + "\"");
        String seal = Digests.sha256(text.getBytes(StandardCharsets.UTF_8));
        Files.write(manifest, text.replace("\"seal\": \"" + ZEROS + "\"", "\"seal\": \"" + seal + "\"").getBytes(StandardCharsets.UTF_8));
        return copy;
    }

    @Test
    public void aPeerIsNeverTakenIn() throws Exception {
        Path peer = peer(temporary.resolve("pushed/a"));
        Session session = started();
        BundlesPresenter bundles = new BundlesPresenter(session, new ClassifyPresenter(session));
        bundles.importPushed(peer.getParent());
        assertTrue(bundles.state().error, bundles.state().error.contains("holds no bundle"));
        Path zip = temporary.resolve("peer.zip");
        try (ZipOutputStream out = new ZipOutputStream(Files.newOutputStream(zip)); Stream<Path> files = Files.walk(peer)) {
            for (Path file : files.filter(Files::isRegularFile).toArray(Path[]::new)) {
                out.putNextEntry(new ZipEntry(peer.relativize(file).toString()));
                Files.copy(file, out);
            }
        }
        bundles.importZip(document(zip, Files.size(zip)), "peer.zip", temporary.resolve("cache").toFile());
        assertTrue(bundles.state().error, bundles.state().error.contains("is of BERT-base"));
        assertEquals(1, store.digests().size());
    }

    @Test
    public void aChoiceIsRememberedWhenTheProcessIsGone() throws Exception {
        Session session = started();
        for (Artifact artifact : session.artifacts()) {
            if (artifact.path.equals(FP32)) session.select(artifact, 1);
        }
        assertEquals(FP32, started().artifact().path);
    }
}
