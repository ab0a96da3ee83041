package org.squeezebert.demo.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** The knobs of one measurement: single stream, batch 1, every token real. */
public final class BenchmarkProtocol {
    public final int threads;
    public final int tokens;
    public final int warmup;
    public final int minRuns;
    public final double minSeconds;

    public BenchmarkProtocol(int threads, int tokens, int warmup, int minRuns, double minSeconds) {
        if (threads < 1 || threads > 64 || tokens < 2 || warmup < 0 || minRuns < 1 || !(minSeconds >= 0 && minSeconds <= 3600)) {
            throw new IllegalArgumentException("threads 1 to 64, tokens from 2, warm-up from 0, runs from 1, seconds 0 to 3600");
        }
        this.threads = threads;
        this.tokens = tokens;
        this.warmup = warmup;
        this.minRuns = minRuns;
        this.minSeconds = minSeconds;
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("threads", threads);
        json.put("batch", 1);
        json.put("tokens", tokens);
        json.put("warmup", warmup);
        json.put("min_runs", minRuns);
        json.put("min_seconds", minSeconds);
        return json;
    }
}
