package org.squeezebert.internal.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/** The knobs of one measurement: single stream, batch 1, every token real, in turns of a few runs. */
public final class BenchmarkProtocol {
    /** A turn that were longer would leave the other cases too long alone. */
    static final int MOST_TURN_RUNS = 64;
    private static final int TURN_RUNS = 4;

    public final int threads;
    public final int tokens;
    public final int warmup;
    public final int minRuns;
    public final double minSeconds;
    /** Runs that are not recorded, before each turn: they bring back the caches that the other cases took. */
    public final int turnWarmup;
    public final int turnRuns;
    /** Between loading and measuring. */
    public final int coolDownSeconds;

    /** For one case, which has no others to take turns with. */
    public BenchmarkProtocol(int threads, int tokens, int warmup, int minRuns, double minSeconds) {
        this(threads, tokens, warmup, minRuns, minSeconds, 0, TURN_RUNS, 0);
    }

    public BenchmarkProtocol(int threads, int tokens, int warmup, int minRuns, double minSeconds, int turnWarmup, int turnRuns, int coolDownSeconds) {
        if (threads < 1 || threads > 64 || tokens < 2 || warmup < 0 || minRuns < 1 || !(minSeconds >= 0 && minSeconds <= 3600)
            || turnWarmup < 0 || turnRuns < 1 || turnRuns > MOST_TURN_RUNS || coolDownSeconds < 0 || coolDownSeconds > 3600) {
            throw new IllegalArgumentException(
                "threads 1 to 64, tokens from 2, warm-up from 0, runs from 1, seconds 0 to 3600, runs of a turn 1 to " + MOST_TURN_RUNS);
        }
        this.threads = threads;
        this.tokens = tokens;
        this.warmup = warmup;
        this.minRuns = minRuns;
        this.minSeconds = minSeconds;
        this.turnWarmup = turnWarmup;
        this.turnRuns = turnRuns;
        this.coolDownSeconds = coolDownSeconds;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("threads", threads);
        json.put("batch", 1);
        json.put("tokens", tokens);
        json.put("warmup", warmup);
        json.put("min_runs", minRuns);
        json.put("min_seconds", minSeconds);
        json.put("turn_warmup", turnWarmup);
        json.put("turn_runs", turnRuns);
        json.put("cool_down_seconds", coolDownSeconds);
        return json;
    }
}
