package org.squeezebert.internal.bench;

import java.util.Arrays;

/** Order statistics of latencies. */
public final class Percentiles {
    private Percentiles() { }

    /** The {@code percent}-th percentile with linear interpolation between closest ranks, numpy.percentile's default. */
    public static double of(long[] samples, double percent) {
        if (samples.length == 0 || !(percent >= 0 && percent <= 100)) throw new IllegalArgumentException("no percentile " + percent);
        long[] sorted = samples.clone();
        Arrays.sort(sorted);
        double rank = percent / 100 * (sorted.length - 1);
        int below = (int) rank;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
    }
}
