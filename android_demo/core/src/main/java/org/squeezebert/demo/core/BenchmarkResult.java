package org.squeezebert.demo.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Raw nanoseconds of one measurement and what makes them unfit for a claim. */
public final class BenchmarkResult {
    /** Below this, phones lower their clocks to save power. */
    private static final int LEAST_BATTERY = 20;
    private static final int THERMAL_MODERATE = 2;
    private static final long CLOCK_TOLERANCE_MS = 1000;
    /** The last third's median over the first's; benchmarks/drift.py asks for a proven difference beside other cases. */
    private static final double MAX_SLOWDOWN = 1.05;
    private static final int LEAST_FOR_SLOWDOWN = 9;

    public final BenchmarkProtocol protocol;
    public final long coldLoadNanos;
    /** The first inference after loading, which the latencies leave out. */
    public final long firstNanos;
    public final long[] latenciesNanos;
    public final double seconds;
    public final DeviceState before;
    public final DeviceState after;
    public final boolean cancelled;
    public final long clockJumpMillis;
    /** Empty where the result is valid. */
    public final List<String> invalid;

    BenchmarkResult(BenchmarkProtocol protocol, long coldLoadNanos, long firstNanos, long[] latenciesNanos, double seconds, long clockJumpMillis,
                    DeviceState before, DeviceState after, boolean cancelled) {
        this.protocol = protocol;
        this.coldLoadNanos = coldLoadNanos;
        this.firstNanos = firstNanos;
        this.latenciesNanos = latenciesNanos;
        this.seconds = seconds;
        this.before = before;
        this.after = after;
        this.cancelled = cancelled;
        this.clockJumpMillis = clockJumpMillis;
        invalid = Collections.unmodifiableList(reasons());
    }

    /** Milliseconds at a percentile, or NaN where nothing was measured. */
    public double millis(double percent) {
        return latenciesNanos.length == 0 ? Double.NaN : Percentiles.of(latenciesNanos, percent) / 1e6;
    }

    private List<String> reasons() {
        List<String> reasons = new ArrayList<>();
        if (cancelled) reasons.add("cancelled");
        if (latenciesNanos.length < protocol.minRuns) reasons.add(latenciesNanos.length + " runs of at least " + protocol.minRuns);
        if (seconds < protocol.minSeconds) reasons.add(Math.round(seconds) + " s of at least " + protocol.minSeconds + " s");
        if (Math.abs(clockJumpMillis) > CLOCK_TOLERANCE_MS) reasons.add("the clock jumped by " + clockJumpMillis + " ms");
        if (Arrays.stream(latenciesNanos).anyMatch(sample -> sample <= 0)) reasons.add("a latency is not above zero");
        if (slowdown() > MAX_SLOWDOWN) reasons.add("it slowed down by " + Math.round(100 * (slowdown() - 1)) + " % during the run (throttling or other load)");
        addState(reasons, before, " before the run");
        addState(reasons, after, " after the run");
        return reasons;
    }

    private static void addState(List<String> reasons, DeviceState state, String when) {
        if (state.thermalStatus >= THERMAL_MODERATE) reasons.add("thermal status " + state.thermalName() + when);
        if (state.batteryPercent != DeviceState.UNKNOWN && state.batteryPercent < LEAST_BATTERY) {
            reasons.add("battery at " + state.batteryPercent + " %" + when);
        }
        if (state.charging) reasons.add("charging" + when);
        if (!state.screenOn) reasons.add("screen off" + when);
    }

    /** The median of the last third over that of the first, 1 where there are too few runs to tell. */
    double slowdown() {
        int third = latenciesNanos.length / 3;
        if (latenciesNanos.length < LEAST_FOR_SLOWDOWN) return 1;
        double first = Percentiles.of(Arrays.copyOf(latenciesNanos, third), 50);
        double last = Percentiles.of(Arrays.copyOfRange(latenciesNanos, latenciesNanos.length - third, latenciesNanos.length), 50);
        return last / first;
    }

    /** The members that a result file has besides run, bundle and device. */
    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("protocol", protocol.toJson());
        json.put("cold_load_ns", coldLoadNanos);
        json.put("first_ns", firstNanos);
        json.put("latencies_ns", latenciesNanos);
        json.put("seconds", seconds);
        json.put("clock_jump_ms", clockJumpMillis);
        json.put("cancelled", cancelled);
        json.put("before", before.toJson());
        json.put("after", after.toJson());
        json.put("invalid", invalid);
        return json;
    }
}
