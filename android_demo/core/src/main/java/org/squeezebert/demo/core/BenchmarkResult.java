package org.squeezebert.demo.core;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** Raw nanoseconds of one measurement and what makes them unfit for a claim. */
public final class BenchmarkResult {
    /** Below this, phones lower their clocks to save power. */
    private static final int LEAST_BATTERY = 20;
    private static final int THERMAL_MODERATE = 2;
    private static final long CLOCK_TOLERANCE_MS = 1000;
    private static final int SIGNIFICANT_DIGITS = 6;

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
    /** The host's rules (benchmarks/protocol.py) in its words, empty where none is broken; drift is judged by the host alone, which draws resamples. */
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
        if (Math.abs(clockJumpMillis) > CLOCK_TOLERANCE_MS) reasons.add("the clock jumped by " + fixed(clockJumpMillis / 1e3, 1) + " s");
        addState(reasons);
        double inferring = Arrays.stream(latenciesNanos).sum() / 1e9;
        if (latenciesNanos.length < protocol.minRuns) reasons.add(latenciesNanos.length + " runs of at least " + protocol.minRuns);
        if (inferring < protocol.minSeconds) reasons.add(fixed(inferring, 2) + " s of at least " + shortest(protocol.minSeconds) + " s");
        if (Arrays.stream(latenciesNanos).anyMatch(sample -> sample <= 0)) reasons.add("a latency is not above zero");
        return reasons;
    }

    /** The worse of before and after. */
    private void addState(List<String> reasons) {
        int thermal = Math.max(before.thermalStatus, after.thermalStatus);
        int battery = IntStream.of(before.batteryPercent, after.batteryPercent).filter(percent -> percent != DeviceState.UNKNOWN).min().orElse(LEAST_BATTERY);
        if (thermal >= THERMAL_MODERATE) reasons.add("thermal status " + thermal + ", moderate or worse");
        if (battery < LEAST_BATTERY) reasons.add("battery at " + battery + " %, at least " + LEAST_BATTERY + " % needed");
        if (!before.screenOn || !after.screenOn) reasons.add("screen off");
    }

    /** As Python's {@code :.Nf}: of the exact value, halves to even. */
    private static String fixed(double value, int decimals) {
        return new BigDecimal(value).setScale(decimals, RoundingMode.HALF_EVEN).toPlainString();
    }

    /** As Python's {@code :g}. */
    private static String shortest(double value) {
        return new BigDecimal(value).round(new MathContext(SIGNIFICANT_DIGITS)).stripTrailingZeros().toPlainString();
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
