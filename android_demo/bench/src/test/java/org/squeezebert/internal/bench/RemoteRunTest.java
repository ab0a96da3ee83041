package org.squeezebert.internal.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Digests;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.JsonValue;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.PostProcessing;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.Tensor;
import org.squeezebert.internal.TestBundle;

class RemoteRunTest {
    @TempDir
    Path temporary;
    private TestBundle made;
    private Path root;

    @BeforeEach
    void make() throws Exception {
        made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        root = temporary.resolve("store");
    }

    private static void assertSays(SqueezeBertException e, SqueezeBertException.Kind kind, String text) {
        assertEquals(kind, e.kind(), e.getMessage());
        assertTrue(e.getMessage().contains(text) && e.getMessage().contains("; fix: "), e.getMessage());
    }

    /** An engine that remembers the file that it was given. */
    private static EngineProvider remembers(List<String> paths) {
        return new EngineProvider() {
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
                paths.add(path);
                throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, path, "is not run", "nothing");
            }
        };
    }

    private static DeviceProbe device() {
        return new DeviceProbe() {
            @Override
            public Map<String, Object> facts() {
                return Collections.emptyMap();
            }

            @Override
            public DeviceState state() {
                return new DeviceState.Builder().build();
            }
        };
    }

    @Test
    void measuresAPrivateCopyOfWhatWasPushed() throws Exception {
        String digest = Digests.sha256(made.manifestBytes());
        Path pushed = Files.createDirectories(temporary.resolve("external/pushed")).resolve(digest);
        made.write(pushed);
        List<String> paths = new ArrayList<>();
        RemoteRun run = new RemoteRun(temporary.resolve("external"), root, Collections.singletonMap("onnx", remembers(paths)), NanoClock.SYSTEM, device());
        RunRequest request = new RunRequest("run", digest + "/onnx/model.onnx", new BenchmarkProtocol(1, 8, 0, 1, 0));
        assertThrows(SqueezeBertException.class, () -> run.execute(request, (fraction, latest) -> true));
        assertEquals(Collections.singletonList(root.resolve(digest).resolve("onnx/model.onnx").toString()), paths);
        assertEquals(0, root.toFile().list().length);
        made.manifest.put("labels", Arrays.asList("other", "labels"));
        Files.write(pushed.resolve(Manifest.NAME), made.manifestBytes());
        assertSays(assertThrows(SqueezeBertException.class, () -> run.execute(request, (fraction, latest) -> true)), SqueezeBertException.Kind.INTEGRITY, "is another bundle's");
        assertEquals(0, root.toFile().list().length);
    }

    private static final String GOLDEN = "{\"schema_version\":1,\"cases\":[{\"name\":\"ids\",\"texts\":[],\"max_length\":16,\"input_ids\":[[2,5,3]],"
        + "\"attention_mask\":[[1,1,1]],\"token_type_ids\":[[0,0,0]],\"outputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"indices\":[0,1],\"values\":[1.0,2.0]}]}]}";

    /** An engine that answers 1 and 2 to everything. */
    private static EngineProvider answers() {
        return new EngineProvider() {
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
                return new InferenceEngine() {
                    @Override
                    public Map<String, Tensor> run(long[] ids, long[] types) {
                        return Collections.singletonMap("logits", new Tensor(new long[] {1, 2}, new float[] {1, 2}));
                    }

                    @Override
                    public void close() { }
                };
            }
        };
    }

    @Test
    void aPeerIsMeasuredBesideOursWhereItAnswersAsItsModelDoes() throws Exception {
        Path pushed = Files.createDirectories(temporary.resolve("external/pushed"));
        String ours = Digests.sha256(made.manifestBytes());
        made.write(pushed.resolve(ours));
        RemoteRun run = new RemoteRun(temporary.resolve("external"), root, Collections.singletonMap("onnx", answers()), NanoClock.SYSTEM, device());
        for (String golden : new String[] {GOLDEN, GOLDEN.replace("2.0", "-2.0")}) {
            TestBundle peer = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "LABEL_0", "LABEL_1");
            peer.manifest.put("peer", "BERT-base");
            peer.files.put("golden.json", TestBundle.utf8(golden));
            String theirs = Digests.sha256(peer.manifestBytes());
            peer.write(pushed.resolve(theirs));
            RunRequest request = new RunRequest("run", theirs + "/onnx/model.onnx," + ours + "/onnx/model.onnx", new BenchmarkProtocol(1, 8, 0, 3, 0));
            if (golden.equals(GOLDEN)) {
                List<BenchmarkResult> results = run.execute(request, (fraction, latest) -> true);
                assertEquals("test · ONNX Runtime · fp32", results.get(0).title);
                assertEquals("ONNX Runtime · fp32", results.get(1).title);
                JsonValue json = Json.parse(new String(Files.readAllBytes(temporary.resolve("external/runs/run.json")), StandardCharsets.UTF_8));
                assertEquals(theirs, json.get("cases").items().get(0).get("artifact").get("bundle").string());
                assertEquals(ours, json.get("cases").items().get(1).get("artifact").get("bundle").string());
            } else {
                assertSays(assertThrows(SqueezeBertException.class, () -> run.execute(request, (fraction, latest) -> true)), SqueezeBertException.Kind.UNSUPPORTED, "answers otherwise here");
            }
            assertEquals(0, root.toFile().list().length);
        }
    }

    @Test
    void aRequestNamesBundlesByDigest() throws Exception {
        BenchmarkProtocol protocol = new BenchmarkProtocol(1, 8, 0, 1, 0);
        for (String artifacts : new String[] {null, "", "onnx/model.onnx", TestBundle.zeros() + "/", TestBundle.zeros() + "/a," + TestBundle.zeros()}) {
            assertSays(assertThrows(SqueezeBertException.class, () -> new RunRequest("run", artifacts, protocol)), SqueezeBertException.Kind.USAGE, "is not usable");
        }
    }
}
