package org.squeezebert.demo.app;

import org.squeezebert.internal.bench.Percentiles;

/** The axis of a chart of latencies: zero to three times the median, whatever a few spikes say. */
public final class LatencyScale {
    private static final double MEDIANS = 3;

    /** Milliseconds. */
    public final double p50;
    public final double p90;
    /** The end of the axis. */
    public final double top;
    /** The longest run. */
    public final double most;
    /** How many runs are longer than the axis. */
    public final int above;

    public LatencyScale(long[] nanos) {
        p50 = Percentiles.of(nanos, 50) / 1e6;
        p90 = Percentiles.of(nanos, 90) / 1e6;
        most = Percentiles.of(nanos, 100) / 1e6;
        top = Math.min(most, MEDIANS * p50);
        int longer = 0;
        for (long sample : nanos) {
            if (sample / 1e6 > top) longer++;
        }
        above = longer;
    }
}
