package org.squeezebert.demo.app;

import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.bench.DeviceState;

/** The Benchmark screen. */
public final class BenchmarkState {
    public final boolean busy;
    public final String error;
    /** 0 to 1. */
    public final double fraction;
    /** Null before the device was asked. */
    public final DeviceState device;
    /** One for each file of the last run. */
    public final List<BenchmarkRecord> results;
    /** The runs of the first file, in order, for the chart. */
    public final long[] latenciesNanos;
    /** The result to share, empty before there is one. */
    public final String json;
    /** Former runs and the last one, newest first. */
    public final List<BenchmarkRecord> history;

    BenchmarkState(boolean busy, String error, double fraction, DeviceState device, List<BenchmarkRecord> results, long[] latenciesNanos, String json,
                   List<BenchmarkRecord> history) {
        this.busy = busy;
        this.error = error;
        this.fraction = fraction;
        this.device = device;
        this.results = Collections.unmodifiableList(results);
        this.latenciesNanos = latenciesNanos;
        this.json = json;
        this.history = Collections.unmodifiableList(history);
    }

    static BenchmarkState empty(boolean busy, String error, double fraction, DeviceState device, List<BenchmarkRecord> history) {
        return new BenchmarkState(busy, error, fraction, device, Collections.emptyList(), new long[0], "", history);
    }

    BenchmarkState withHistory(List<BenchmarkRecord> now) {
        return new BenchmarkState(busy, error, fraction, device, results, latenciesNanos, json, now);
    }
}
