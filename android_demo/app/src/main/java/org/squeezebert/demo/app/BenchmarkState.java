package org.squeezebert.demo.app;

import java.util.Collections;
import java.util.List;

/** The Benchmark screen. */
public final class BenchmarkState {
    public final boolean busy;
    public final String error;
    /** 0 to 1. */
    public final double fraction;
    public final String device;
    public final String summary;
    public final List<String> invalid;
    /** Milliseconds per run, in order, for the chart. */
    public final double[] latencies;
    /** The result to share, empty before there is one. */
    public final String json;

    BenchmarkState(boolean busy, String error, double fraction, String device, String summary, List<String> invalid, double[] latencies, String json) {
        this.busy = busy;
        this.error = error;
        this.fraction = fraction;
        this.device = device;
        this.summary = summary;
        this.invalid = invalid;
        this.latencies = latencies;
        this.json = json;
    }

    static BenchmarkState empty(boolean busy, String error, double fraction, String device) {
        return new BenchmarkState(busy, error, fraction, device, "", Collections.emptyList(), new double[0], "");
    }
}
