package org.squeezebert.internal.bench;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;

/** Raw nanoseconds of one case and what makes them unfit for a claim. */
public final class BenchmarkResult {
    /** Below this, phones lower their clocks to save power. */
    private static final int LEAST_BATTERY = 20;
    private static final int THERMAL_MODERATE = 2;
    private static final double MOST_HEADROOM = 1;
    private static final double MOST_SPREAD = 1.3;
    private static final long CLOCK_TOLERANCE_MS = 1000;
    private static final int SIGNIFICANT_DIGITS = 6;

    /** What was timed of one case: raw nanoseconds with the round of each run and when it began. */
    static final class Timed {
        final long coldLoad;
        final long first;
        final long[] latencies;
        final long[] starts;
        final long[] rounds;

        Timed(long coldLoad, long first, long[] latencies, long[] starts, long[] rounds) {
            this.coldLoad = coldLoad;
            this.first = first;
            this.latencies = latencies;
            this.starts = starts;
            this.rounds = rounds;
        }
    }

    /** Which file was measured, for people. */
    public final String title;
    public final BenchmarkProtocol protocol;
    public final long coldLoadNanos;
    /** The first inference after loading, which the latencies leave out. */
    public final long firstNanos;
    public final long[] latenciesNanos;
    public final boolean cancelled;
    /** The host's rules (benchmarks/protocol.py) in its words, empty where none is broken; drift is judged by the host alone, which draws resamples. */
    public final List<String> invalid;
    final RunConditions conditions;
    private final Timed timed;

    BenchmarkResult(String title, BenchmarkProtocol protocol, Timed timed, RunConditions conditions) {
        this.title = title;
        this.protocol = protocol;
        this.timed = timed;
        this.conditions = conditions;
        coldLoadNanos = timed.coldLoad;
        firstNanos = timed.first;
        latenciesNanos = timed.latencies;
        cancelled = conditions.cancelled;
        invalid = Collections.unmodifiableList(reasons());
    }

    /** Milliseconds at a percentile, or NaN where nothing was measured. */
    public double millis(double percent) {
        return latenciesNanos.length == 0 ? Double.NaN : Percentiles.of(latenciesNanos, percent) / 1e6;
    }

    private List<String> reasons() {
        List<String> reasons = new ArrayList<>();
        long jump = conditions.clockJumpMillis;
        if (cancelled) reasons.add("cancelled");
        if (Math.abs(jump) > CLOCK_TOLERANCE_MS) reasons.add("the clock jumped by " + fixed(jump / 1e3, 1) + " s");
        addStates(reasons);
        double inferring = Arrays.stream(latenciesNanos).sum() / 1e9;
        if (latenciesNanos.length < protocol.minRuns) reasons.add(latenciesNanos.length + (latenciesNanos.length == 1 ? " run" : " runs") + " of at least " + protocol.minRuns);
        if (inferring < protocol.minSeconds) reasons.add(fixed(inferring, 2) + " s of at least " + shortest(protocol.minSeconds) + " s");
        if (Arrays.stream(latenciesNanos).anyMatch(sample -> sample <= 0)) reasons.add("a latency is not above zero");
        if (latenciesNanos.length > 0) addSpread(reasons, Percentiles.of(latenciesNanos, 50), Percentiles.of(latenciesNanos, 90));
        return reasons;
    }

    private static void addSpread(List<String> reasons, double p50, double p90) {
        if (p50 > 0 && p90 / p50 > MOST_SPREAD) {
            reasons.add("p90 is " + fixed(p90 / p50, 2) + " times p50, at most " + shortest(MOST_SPREAD) + " times is one state of the phone");
        }
    }

    /** The worst of all that the device said. */
    private void addStates(List<String> reasons) {
        int thermal = (int) most(state -> state.thermalStatus);
        double headroom = most(state -> Double.isNaN(state.thermalHeadroom) ? 0 : state.thermalHeadroom);
        int battery = (int) -most(state -> state.batteryPercent == DeviceState.UNKNOWN ? -LEAST_BATTERY : -state.batteryPercent);
        if (thermal >= THERMAL_MODERATE) reasons.add("thermal status " + thermal + ", moderate or worse");
        if (headroom >= MOST_HEADROOM) reasons.add("thermal headroom " + fixed(headroom, 2) + ", throttling from " + shortest(MOST_HEADROOM));
        if (battery < LEAST_BATTERY) reasons.add("battery at " + battery + " %, at least " + LEAST_BATTERY + " % needed");
        if (ever(state -> !state.screenOn)) reasons.add("screen off");
        if (ever(state -> !state.inFront)) reasons.add("the app was not in front for the whole run");
        if (ever(state -> state.locked)) reasons.add("the phone was locked");
        if (ever(state -> state.powerSave)) reasons.add("battery saver");
        if (ever(state -> state.emulator)) reasons.add("an emulator, not a phone");
        if (ever(state -> !state.clocksKnown)) reasons.add("cores and clocks are unknown");
    }

    private double most(ToDoubleFunction<DeviceState> value) {
        return conditions.states.stream().mapToDouble(value).max().orElse(0);
    }

    private boolean ever(Predicate<DeviceState> broken) {
        return conditions.states.stream().anyMatch(broken);
    }

    /** As Python's {@code :.Nf}: of the exact value, halves to even. */
    private static String fixed(double value, int decimals) {
        return new BigDecimal(value).setScale(decimals, RoundingMode.HALF_EVEN).toPlainString();
    }

    /** As Python's {@code :g}. */
    private static String shortest(double value) {
        return new BigDecimal(value).round(new MathContext(SIGNIFICANT_DIGITS)).stripTrailingZeros().toPlainString();
    }

    /** The members that this case has in a result file. */
    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("cold_load_ns", coldLoadNanos);
        json.put("first_ns", firstNanos);
        json.put("latencies_ns", latenciesNanos);
        json.put("at_ns", timed.starts);
        json.put("turns", timed.rounds);
        json.put("invalid", invalid);
        return json;
    }
}
