package org.squeezebert.demo.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.LabelScore;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.Tensor;

/** What the presenters show, with a model that finds every answer three tokens before the end. */
public class PresentersTest {
    private static final Path BUNDLE = Paths.get("../../tests/data/bundle_v2");

    @Rule
    public final TemporaryFolder folder = new TemporaryFolder();
    private Path temporary;
    private final ArrayDeque<Runnable> queued = new ArrayDeque<>();
    private final List<Integer> lengths = new ArrayList<>();
    private int open;

    private final Session.Memory forgetful = new Session.Memory() {
        @Override
        public String activeDigest() {
            return "";
        }

        @Override
        public void setActiveDigest(String digest) { }

        @Override
        public String artifact() {
            return "";
        }

        @Override
        public void setArtifact(String path) { }
    };

    private final EngineProvider runtime = new EngineProvider() {
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
            open++;
            return new InferenceEngine() {
                @Override
                public Map<String, Tensor> run(long[] ids, long[] typeIds) {
                    lengths.add(ids.length);
                    float[] logits = new float[ids.length];
                    logits[Math.max(0, ids.length - 3)] = 10;
                    Tensor found = new Tensor(new long[] {1, ids.length}, logits);
                    Map<String, Tensor> outputs = new HashMap<>();
                    outputs.put("start_logits", found);
                    outputs.put("end_logits", found);
                    return outputs;
                }

                @Override
                public void close() {
                    open--;
                }
            };
        }
    };

    @Before
    public void makeFolder() {
        temporary = folder.getRoot().toPath();
    }

    private Session session(Executor worker) {
        BundleStore store = new BundleStore(temporary.resolve("store"));
        store.install(new FolderSource(BUNDLE));
        return new Session(store, () -> Collections.singletonMap("onnx", runtime), NanoClock.SYSTEM, null, forgetful, () -> null, worker, Runnable::run);
    }

    private static Artifact other(Session session) {
        return session.artifacts().get(session.artifacts().get(0) == session.artifact() ? 1 : 0);
    }

    private void work() {
        while (!queued.isEmpty()) queued.poll().run();
    }

    @Test
    public void anAnswerIsSaidWithItsProbabilityAndItsPieces() {
        ClassifyPresenter classify = new ClassifyPresenter(session(Runnable::run));
        classify.start();
        classify.run("a?", "b \uD83D\uDE00");
        assertEquals("", classify.state().error);
        ShownAnswer answer = classify.state().answer;
        assertEquals(Headline.Kind.ANSWER, answer.headline.kind);
        assertEquals(Collections.singletonList("b"), answer.headline.labels);
        assertEquals(answer.rows.get(0).value, answer.headline.value, 0);
        List<String> pieces = new ArrayList<>();
        for (Piece piece : answer.pieces) pieces.add(piece.kind + " " + piece.text);
        assertEquals(Arrays.asList("TEMPLATE [CLS]", "WORD a", "WORD ?", "TEMPLATE [SEP]", "WORD b", "UNKNOWN \uD83D\uDE00", "TEMPLATE [SEP]"), pieces);
        assertEquals(answer.tokens, pieces.size());
    }

    @Test
    public void severalLabelsAreSaidTogetherAndNoneWhereNoneIsLikely() {
        Headline none = Headline.likely(Arrays.asList(new LabelScore("bad", 0.4), new LabelScore("good", 0.1)));
        assertEquals(Headline.Kind.NO_LABEL, none.kind);
        assertEquals(0.4, none.value, 0);
        Headline both = Headline.likely(Arrays.asList(new LabelScore("bad", 0.9), new LabelScore("good", 0.6), new LabelScore("odd", 0.1)));
        assertEquals(Headline.Kind.ANSWERS, both.kind);
        assertEquals(Arrays.asList("bad", "good"), both.labels);
        assertEquals(0.6, both.value, 0);
    }

    @Test
    public void whatIsTypedIsAnsweredAndWhatStoodThereBeforeIsNotEvenRead() {
        ClassifyPresenter classify = new ClassifyPresenter(session(queued::add));
        classify.start();
        work();
        classify.typed("a", "b c");
        classify.typed("a a", "b c");
        assertTrue(classify.state().busy);
        work();
        assertEquals("one inference, of the newer text", Collections.singletonList(7), lengths);
        assertEquals(7, classify.state().answer.tokens);
        classify.typed("a a", "b c");
        assertTrue("the same text is not answered again", queued.isEmpty());
        for (String[] lacking : new String[][] {{"  ", "b c"}, {"a a", " "}}) {
            classify.typed("a a", "b c");
            work();
            classify.typed(lacking[0], lacking[1]);
            assertNull("nothing is answered where nothing stands", classify.state().answer);
        }
    }

    @Test
    public void anAnswerThatComesAfterTheNextKeyIsNotShown() {
        ClassifyPresenter classify = new ClassifyPresenter(session(queued::add));
        classify.start();
        work();
        classify.run("a", "b c");
        List<Integer> shown = new ArrayList<>();
        classify.attach(state -> {
            if (state.answer != null) shown.add(state.answer.tokens);
        });
        Runnable first = queued.poll();
        classify.typed("a a", "b c");
        first.run();
        assertTrue(lengths.isEmpty() && shown.isEmpty());
        work();
        assertEquals(Collections.singletonList(7), shown);
    }

    @Test
    public void anotherFileAnswersTheSameText() {
        Session session = session(Runnable::run);
        ClassifyPresenter classify = new ClassifyPresenter(session);
        classify.start();
        classify.run("a", "b c");
        Artifact other = other(session);
        classify.select(other, 1);
        assertEquals(other, session.artifact());
        assertNotNull(classify.state().answer);
        assertEquals("the former one was closed", 1, open);
    }

    @Test
    public void twoFilesAreComparedInTurnsOnOneText() {
        Session session = session(Runnable::run);
        ClassifyPresenter classify = new ClassifyPresenter(session);
        classify.start();
        classify.run("a", "b c");
        assertTrue(classify.state().compared.isEmpty());
        Artifact other = other(session);
        classify.compareWith(other);
        List<Compared> compared = classify.state().compared;
        assertEquals(Arrays.asList(session.artifact(), other), Arrays.asList(compared.get(0).artifact, compared.get(1).artifact));
        assertTrue(compared.get(0).headline.saysTheSameAs(compared.get(1).headline));
        assertTrue(compared.get(0).inferMillis > 0);
        assertEquals(2, open);
        classify.compareWith(null);
        assertTrue(classify.state().compared.isEmpty());
        assertEquals("the other one's memory is given back", 1, open);
        classify.compareWith(other);
        classify.select(other, 1);
        assertNull("a file is not compared with itself", classify.other());
    }

    @Test
    public void aComparisonEndsAtTheNextKey() {
        Session session = session(queued::add);
        ClassifyPresenter classify = new ClassifyPresenter(session);
        classify.start();
        work();
        classify.compareWith(other(session));
        classify.run("a", "b c");
        classify.attach(state -> {
            if (state.answer != null && state.answer.tokens == 6 && state.busy) classify.typed("a a", "b c");
        });
        work();
        assertEquals(7, classify.state().answer.tokens);
        assertEquals(2, classify.state().compared.size());
        assertTrue(lengths.toString(), Collections.frequency(lengths, 6) < 6);
    }

    private static BenchmarkRecord record(int when) throws Exception {
        return new BenchmarkRecord(Json.parse("{\"when\":" + when + ",\"title\":\"ONNX Runtime · int8\",\"source\":\"demo\",\"tokens\":8,\"threads\":1,\"runs\":3,"
            + "\"p50\":1,\"p90\":2.6,\"p99\":2.96,\"cold_load\":5,\"bytes\":7,\"invalid\":[\"battery saver\"]}"));
    }

    @Test
    public void theLastTwentyMeasurementsAreKeptNewestFirst() throws Exception {
        Path file = temporary.resolve("history.json");
        BenchmarkHistory history = new BenchmarkHistory(file);
        assertTrue(history.read().isEmpty());
        for (int run = 1; run <= BenchmarkHistory.MOST + 1; run++) history.add(Collections.singletonList(record(run)));
        List<BenchmarkRecord> kept = history.read();
        assertEquals(BenchmarkHistory.MOST, kept.size());
        BenchmarkRecord newest = kept.get(0);
        assertEquals(BenchmarkHistory.MOST + 1, newest.when);
        assertEquals(record((int) newest.when).toJson(), newest.toJson());
        assertEquals(8000, newest.tokensPerSecond(), 1e-6);
        Files.write(file, "[{\"when\":".getBytes(StandardCharsets.UTF_8));
        assertTrue("a damaged file is as good as none", history.read().isEmpty());
        history.clear();
        assertTrue(history.read().isEmpty());
    }

    @Test
    public void aSpikeDoesNotRuleTheChart() {
        long[] nanos = new long[100];
        Arrays.fill(nanos, 1_000_000);
        nanos[7] = 150_000_000;
        LatencyScale scale = new LatencyScale(nanos);
        assertEquals(3, scale.top, 1e-9);
        assertEquals(1, scale.above);
        assertEquals(150, scale.most, 1e-9);
        nanos[7] = 1_200_000;
        scale = new LatencyScale(nanos);
        assertEquals(1.2, scale.top, 1e-9);
        assertEquals(0, scale.above);
    }
}
