package org.squeezebert.internal.bench;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.IntToLongFunction;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.PostProcessing;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.Tensor;
import org.squeezebert.internal.TestBundle;
import org.squeezebert.internal.TokenizerSpec;

class BenchmarkRunnerTest {
    private static final long MS = 1_000_000;
    private final long[] now = new long[2]; // monotonic ns, extra wall ms
    private final DeviceState.Builder state = new DeviceState.Builder();
    private final List<String> ran = new ArrayList<>();
    private TokenizerSpec tokenizer;
    private int runs;

    private final NanoClock clock = new NanoClock() {
        @Override
        public long nanos() {
            return now[0];
        }

        @Override
        public long wallMillis() {
            return now[0] / MS + now[1];
        }

        @Override
        public void sleep(long millis) {
            now[0] += millis * MS;
            ran.add("sleep " + millis);
        }
    };
    private final DeviceProbe device = new DeviceProbe() {
        @Override
        public Map<String, Object> facts() {
            return Collections.singletonMap("model", "test");
        }

        @Override
        public DeviceState state() {
            return state.build();
        }

        @Override
        public int begin() {
            ran.add("begin");
            return -4;
        }

        @Override
        public int core() {
            return 4 + runs % 2;
        }

        @Override
        public void end() {
            ran.add("end");
        }
    };

    @BeforeEach
    void readSpec() throws Exception {
        tokenizer = Manifest.parse(new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "a").manifestBytes()).tokenizer;
    }

    /** An engine whose n-th run takes {@code nanos(n)}. */
    private InferenceEngine engine(IntToLongFunction nanos) {
        return new InferenceEngine() {
            @Override
            public Map<String, Tensor> run(long[] ids, long[] typeIds) {
                now[0] += nanos.applyAsLong(runs++);
                return Collections.emptyMap();
            }

            @Override
            public void close() { }
        };
    }

    private BenchmarkResult run(BenchmarkProtocol protocol, IntToLongFunction nanos, BenchmarkRunner.Progress progress) {
        return runAll(protocol, progress, engine(nanos)).get(0);
    }

    private List<BenchmarkResult> runAll(BenchmarkProtocol protocol, BenchmarkRunner.Progress progress, InferenceEngine... engines) {
        List<BenchmarkRunner.Case> cases = new ArrayList<>();
        for (InferenceEngine engine : engines) {
            cases.add(new BenchmarkRunner.Case("a file", tokenizer, () -> new BenchmarkRunner.Loaded(engine, 70 * MS), loaded -> ran.add("check")));
        }
        return new BenchmarkRunner(clock, device).run(protocol, cases, progress);
    }

    /** An engine that writes its name down at each run and takes 10 ms. */
    private InferenceEngine named(String name) {
        return new InferenceEngine() {
            @Override
            public Map<String, Tensor> run(long[] ids, long[] typeIds) {
                ran.add(name);
                runs++;
                now[0] += 10 * MS;
                return Collections.emptyMap();
            }

            @Override
            public void close() {
                ran.add("close " + name);
            }
        };
    }

    @Test
    void measuresWarmUpAndRunsApart() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 3, 4, 0), n -> (n == 0 ? 500 : n < 4 ? 100 : n - 1) * MS, (fraction, latest) -> true);
        assertEquals(70 * MS, result.coldLoadNanos);
        assertEquals(500 * MS, result.firstNanos);
        assertArrayEquals(new long[] {3 * MS, 4 * MS, 5 * MS, 6 * MS}, result.latenciesNanos);
        assertEquals(4.5, result.millis(50));
        assertEquals(Collections.emptyList(), result.invalid);
    }

    @Test
    void goesOnUntilTheSecondsAreThere() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 0, 2, 0.05), n -> 10 * MS, (fraction, latest) -> true);
        assertEquals(5, result.latenciesNanos.length);
    }

    @Test
    void casesTakeTurnsInAnOrderThatRotatesAfterLoadingWarmUpAndCoolDown() throws Exception {
        List<BenchmarkResult> results = runAll(new BenchmarkProtocol(1, 8, 1, 4, 0, 1, 2, 2), (fraction, latest) -> true, named("a"), named("b"));
        assertEquals("begin a check a b check b sleep 1000 sleep 1000 a a a b b b b b b a a a close a close b end", String.join(" ", ran));
        for (BenchmarkResult result : results) {
            assertArrayEquals(new long[] {10 * MS, 10 * MS, 10 * MS, 10 * MS}, result.latenciesNanos);
            Map<String, Object> json = result.toJson();
            assertArrayEquals(new long[] {0, 0, 1, 1}, (long[]) json.get("turns"));
        }
        assertArrayEquals(new long[] {10 * MS, 20 * MS, 100 * MS, 110 * MS}, (long[]) results.get(0).toJson().get("at_ns"));
        assertEquals(Arrays.asList(4, 5), new ArrayList<>(results.get(0).conditions.cores));
        assertEquals(-4, results.get(1).conditions.priority);
    }

    @Test
    void whatThePhoneDoesDuringTheRunIsSeenEvenWhereItIsOverAtTheEnd() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 0, 12, 0), n -> 1000 * MS, (fraction, latest) -> {
            state.thermalStatus = fraction > 0.2 && fraction < 0.8 ? 3 : 0;
            state.powerSave = state.thermalStatus == 3;
            return true;
        });
        assertEquals(Arrays.asList("thermal status 3, moderate or worse", "battery saver"), result.invalid);
        assertTrue(result.conditions.states.size() > 3);
    }

    @Test
    void spikesAreNotOneStateOfThePhone() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 0, 200, 0), n -> n % 5 == 3 ? 16 * MS : MS, (fraction, latest) -> true);
        assertEquals(Collections.singletonList("p90 is 16.00 times p50, at most 1.3 times is one state of the phone"), result.invalid);
    }

    @Test
    void cancelledIsInvalid() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 0, 100, 0), n -> MS, (fraction, latest) -> fraction < 0.1);
        assertEquals(10, result.latenciesNanos.length);
        assertTrue(result.invalid.contains("cancelled") && result.invalid.contains("10 runs of at least 100"), result.invalid.toString());
        BenchmarkResult early = run(new BenchmarkProtocol(1, 8, 5, 100, 0), n -> MS, (fraction, latest) -> false);
        assertTrue(early.cancelled && Double.isNaN(early.millis(50)));
    }

    @Test
    void aClockJumpIsInvalid() throws Exception {
        BenchmarkResult result = run(new BenchmarkProtocol(1, 8, 0, 3, 0), n -> MS, (fraction, latest) -> {
            if (latest > 0) now[1] = 5000; // not before the measurement itself
            return true;
        });
        assertEquals(Collections.singletonList("the clock jumped by 5.0 s"), result.invalid);
        BenchmarkResult zero = run(new BenchmarkProtocol(1, 8, 0, 3, 0), n -> 0, (fraction, latest) -> true);
        assertEquals(Collections.singletonList("a latency is not above zero"), zero.invalid);
    }

    @Test
    void syntheticIdsAreValidAndFramed() throws Exception {
        long[] ids = BenchmarkRunner.syntheticIds(16, tokenizer);
        assertEquals(tokenizer.cls, ids[0]);
        assertEquals(tokenizer.sep, ids[15]);
        for (long id : ids) assertTrue(id >= 0 && id < tokenizer.vocabSize);
        assertThrows(SqueezeBertException.class, () -> BenchmarkRunner.syntheticIds(17, tokenizer));
    }
}
