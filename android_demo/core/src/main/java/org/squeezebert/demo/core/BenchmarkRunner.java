package org.squeezebert.demo.core;

import java.util.Arrays;

/** Measures a loaded artifact: warm-up, then runs until both minima are met. */
public final class BenchmarkRunner {
    /** Called after every run from the measuring thread. */
    public interface Progress {
        /** Returns false to cancel. {@code latest} is the last latency in ns, 0 during warm-up. */
        boolean update(double fraction, long latest);
    }

    private final NanoClock clock;
    private final DeviceProbe device;

    public BenchmarkRunner(NanoClock clock, DeviceProbe device) {
        this.clock = clock;
        this.device = device;
    }

    /** Raw latencies with the device's state before and after. Closes the engine; {@code coldLoad} is what its loading took, in ns. */
    public BenchmarkResult run(BenchmarkProtocol protocol, TokenizerSpec tokenizer, InferenceEngine engine, long coldLoad, Progress progress)
            throws DemoException {
        try (InferenceEngine closed = engine) {
            long[] ids = syntheticIds(protocol.tokens, tokenizer);
            long[] types = new long[ids.length];
            DeviceState before = device.state();
            long begin = clock.nanos();
            closed.run(ids, types);
            long first = clock.nanos() - begin;
            boolean going = progress.update(0, 0);
            for (int i = 0; going && i < protocol.warmup; i++) {
                closed.run(ids, types);
                going = progress.update(0, 0);
            }
            return measure(protocol, closed, ids, types, new long[] {coldLoad, first}, before, going ? progress : null);
        }
    }

    /** {@code progress} is null where the warm-up was cancelled; {@code cold} holds the nanoseconds of loading and of the first inference. */
    private BenchmarkResult measure(BenchmarkProtocol protocol, InferenceEngine engine, long[] ids, long[] types, long[] cold,
                                    DeviceState before, Progress progress) throws DemoException {
        long[] samples = new long[Math.min(protocol.minRuns, 1 << 16)];
        int count = 0;
        long wallStart = clock.wallMillis();
        long start = clock.nanos();
        long inferring = 0;
        boolean cancelled = progress == null;
        while (!cancelled && (count < protocol.minRuns || inferring / 1e9 < protocol.minSeconds)) {
            long begin = clock.nanos();
            engine.run(ids, types);
            long end = clock.nanos();
            if (count == samples.length) samples = Arrays.copyOf(samples, 2 * count);
            samples[count++] = end - begin;
            inferring += end - begin;
            double bySeconds = protocol.minSeconds == 0 ? 1 : inferring / 1e9 / protocol.minSeconds;
            cancelled = !progress.update(Math.min(1, Math.min((double) count / protocol.minRuns, bySeconds)), end - begin);
        }
        long spent = clock.nanos() - start;
        long jump = clock.wallMillis() - wallStart - spent / 1_000_000;
        return new BenchmarkResult(protocol, cold[0], cold[1], Arrays.copyOf(samples, count), spent / 1e9, jump, before, device.state(), cancelled);
    }

    /** [CLS], then ids spread over the vocabulary, then [SEP], where there are such tokens: embedding rows are read from all over the table, as with real text. */
    static long[] syntheticIds(int tokens, TokenizerSpec tokenizer) throws DemoException {
        if (tokens > tokenizer.maxLength) {
            throw new DemoException(DemoException.Kind.USAGE, "tokens", "are too many", tokens, "at most " + tokenizer.maxLength, "measure fewer tokens");
        }
        long[] ids = new long[tokens];
        for (int i = 0; i < tokens; i++) ids[i] = 7919L * (i + 1) % tokenizer.vocabSize;
        if (tokenizer.cls != TokenizerSpec.NONE) ids[0] = tokenizer.cls;
        if (tokenizer.sep != TokenizerSpec.NONE) ids[tokens - 1] = tokenizer.sep;
        return ids;
    }
}
