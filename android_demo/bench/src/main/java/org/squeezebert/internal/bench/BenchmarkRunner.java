package org.squeezebert.internal.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.TokenizerSpec;

/**
 * Measures artifacts in turns: all are loaded and warmed up, then rounds of short runs go over all of them until each has its minima.
 *
 * <p>Whatever the phone does meanwhile it does to all of them, so that their ratios hold.
 */
public final class BenchmarkRunner {
    /** Called after every run from the measuring thread. */
    public interface Progress {
        /** Returns false to cancel. {@code latest} is the last latency in ns, 0 during warm-up. */
        boolean update(double fraction, long latest);
    }

    /** Loads one artifact, on the measuring thread. */
    public interface Loader {
        Loaded load();
    }

    /** Looks at a loaded artifact once, after its first inference, which counts as one. */
    public interface Check {
        void require(InferenceEngine engine);
    }

    /** One thing to measure. */
    public static final class Case {
        final String title;
        final TokenizerSpec tokenizer;
        final Loader loader;
        final Check check;

        public Case(String title, TokenizerSpec tokenizer, Loader loader, Check check) {
            this.title = title;
            this.tokenizer = tokenizer;
            this.loader = loader;
            this.check = check;
        }
    }

    /** An engine and what its loading took, in ns. */
    public static final class Loaded {
        final InferenceEngine engine;
        final long coldLoadNanos;

        public Loaded(InferenceEngine engine, long coldLoadNanos) {
            this.engine = engine;
            this.coldLoadNanos = coldLoadNanos;
        }
    }

    /** Asking the system takes time from the measurement, and its thermal headroom is new once a second at most. */
    private static final long STATE_EVERY_NANOS = 2_000_000_000L;

    private final NanoClock clock;
    private final DeviceProbe device;

    public BenchmarkRunner(NanoClock clock, DeviceProbe device) {
        this.clock = clock;
        this.device = device;
    }

    /** One result for each artifact, with the device's states before, during and after. Closes the engines. */
    public List<BenchmarkResult> run(BenchmarkProtocol protocol, List<Case> cases, Progress progress) {
        List<long[]> ids = new ArrayList<>();
        for (Case one : cases) ids.add(syntheticIds(protocol.tokens, one.tokenizer));
        int priority = device.begin();
        List<Turns> turns = new ArrayList<>();
        try {
            Rounds rounds = new Rounds(protocol, turns, progress, priority);
            for (Case one : cases) turns.add(new Turns(protocol, one, one.loader.load(), ids.get(turns.size())));
            return rounds.run();
        } finally {
            for (Turns one : turns) one.engine.close();
            device.end();
        }
    }

    /** [CLS], then ids spread over the vocabulary, then [SEP], where there are such tokens: embedding rows are read from all over the table, as with real text. */
    static long[] syntheticIds(int tokens, TokenizerSpec tokenizer) {
        if (tokens > tokenizer.maxLength) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "tokens", "are too many", tokens, "at most " + tokenizer.maxLength, "measure fewer tokens");
        }
        long[] ids = new long[tokens];
        for (int i = 0; i < tokens; i++) ids[i] = 7919L * (i + 1) % tokenizer.vocabSize;
        if (tokenizer.cls != TokenizerSpec.NONE) ids[0] = tokenizer.cls;
        if (tokenizer.sep != TokenizerSpec.NONE) ids[tokens - 1] = tokenizer.sep;
        return ids;
    }

    /** The rounds over all cases, and what the device said meanwhile. */
    private final class Rounds {
        private final BenchmarkProtocol protocol;
        private final List<Turns> cases;
        private final Progress progress;
        private final int priority;
        private final List<DeviceState> states = new ArrayList<>();
        private final SortedSet<Integer> cores = new TreeSet<>();
        private long asked;
        private boolean going = true;

        Rounds(BenchmarkProtocol protocol, List<Turns> cases, Progress progress, int priority) {
            this.protocol = protocol;
            this.cases = cases;
            this.progress = progress;
            this.priority = priority;
            look();
        }

        List<BenchmarkResult> run() {
            for (Turns one : cases) warmUp(one);
            coolDown();
            long wallStart = clock.wallMillis();
            long start = clock.nanos();
            int number = 0;
            int planned = (protocol.minRuns + protocol.turnRuns - 1) / protocol.turnRuns;
            while (going && cases.stream().anyMatch(one -> !one.done())) {
                for (int i = 0; going && i < cases.size(); i++) {
                    turn(cases.get((i + number) % cases.size()), number, Math.max(planned - number, 1), start);
                }
                number++;
                if (clock.nanos() - asked > STATE_EVERY_NANOS) look();
            }
            long spent = clock.nanos() - start;
            long jump = clock.wallMillis() - wallStart - spent / 1_000_000;
            look();
            RunConditions conditions = new RunConditions(spent / 1e9, jump, !going, states, cores, priority);
            List<BenchmarkResult> results = new ArrayList<>();
            for (Turns one : cases) results.add(new BenchmarkResult(one.title, protocol, one.timed(), conditions));
            return results;
        }

        private void warmUp(Turns one) {
            one.first = one.infer(clock);
            one.check.require(one.engine);
            going = going && progress.update(0, 0);
            for (int i = 0; going && i < protocol.warmup; i++) {
                one.infer(clock);
                going = progress.update(0, 0);
            }
        }

        /** Loading and warming up heat a phone. */
        private void coolDown() {
            for (int second = 0; going && second < protocol.coolDownSeconds; second++) {
                clock.sleep(1000);
                going = progress.update(0, 0);
            }
        }

        private void turn(Turns one, int number, int roundsLeft, long start) {
            for (int i = 0; i < protocol.turnWarmup; i++) one.infer(clock);
            int runs = one.runs(roundsLeft);
            for (int i = 0; going && i < runs; i++) {
                long begin = clock.nanos();
                long latency = one.infer(clock);
                one.add(number, begin - start, latency);
                going = progress.update(cases.stream().mapToDouble(Turns::fraction).average().orElse(0), latency);
            }
            int core = device.core();
            if (core != DeviceProbe.UNKNOWN) cores.add(core);
        }

        private void look() {
            states.add(device.state());
            asked = clock.nanos();
        }
    }

    /** One case: its engine and its runs so far. */
    private static final class Turns {
        private final BenchmarkProtocol protocol;
        private final String title;
        private final Check check;
        private final InferenceEngine engine;
        private final long coldLoad;
        private final long[] ids;
        private final long[] types;
        private long first;
        private long[] latencies;
        private long[] starts;
        private long[] rounds;
        private int count;
        private long elapsed;

        Turns(BenchmarkProtocol protocol, Case one, Loaded loaded, long[] ids) {
            this.protocol = protocol;
            title = one.title;
            check = one.check;
            engine = loaded.engine;
            coldLoad = loaded.coldLoadNanos;
            this.ids = ids;
            types = new long[ids.length];
            latencies = new long[Math.min(protocol.minRuns, 1 << 16)];
            starts = new long[latencies.length];
            rounds = new long[latencies.length];
        }

        long infer(NanoClock clock) {
            long begin = clock.nanos();
            engine.run(ids, types);
            return clock.nanos() - begin;
        }

        void add(int round, long start, long latency) {
            if (count == latencies.length) {
                latencies = Arrays.copyOf(latencies, 2 * count);
                starts = Arrays.copyOf(starts, 2 * count);
                rounds = Arrays.copyOf(rounds, 2 * count);
            }
            latencies[count] = latency;
            starts[count] = start;
            rounds[count++] = round;
            elapsed += latency;
        }

        boolean done() {
            return count >= protocol.minRuns && elapsed >= protocol.minSeconds * 1e9;
        }

        double fraction() {
            double bySeconds = protocol.minSeconds == 0 ? 1 : elapsed / 1e9 / protocol.minSeconds;
            return Math.min(1, Math.min((double) count / protocol.minRuns, bySeconds));
        }

        /** The runs of a turn, so that the minima are met in the rounds that are left. */
        int runs(int roundsLeft) {
            double usual = count == 0 ? Math.max(first, 1) : Math.max((double) elapsed / count, 1);
            double missing = Math.max(protocol.minRuns - count, (protocol.minSeconds * 1e9 - elapsed) / usual);
            return (int) Math.min(Math.max(protocol.turnRuns, Math.ceil(missing / roundsLeft)), BenchmarkProtocol.MOST_TURN_RUNS);
        }

        BenchmarkResult.Timed timed() {
            return new BenchmarkResult.Timed(coldLoad, first, Arrays.copyOf(latencies, count), Arrays.copyOf(starts, count), Arrays.copyOf(rounds, count));
        }
    }
}
