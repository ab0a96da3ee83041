package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.internal.JsonException;
import org.squeezebert.internal.JsonValue;
import org.squeezebert.internal.bench.BenchmarkResult;

/** The figures of one measurement, small enough to keep many. */
public final class BenchmarkRecord {
    /** Milliseconds since 1970. */
    public final long when;
    /** "ONNX Runtime · int8". */
    public final String title;
    /** Where the bundle's model came from, empty where a host brought it. */
    public final String source;
    public final int tokens;
    public final int threads;
    public final int runs;
    public final double p50;
    public final double p90;
    public final double p99;
    public final double coldLoad;
    /** Of the file, 0 where a host brought it. */
    public final long bytes;
    /** Why the figures do not count, in the host's words. */
    public final List<String> invalid;

    BenchmarkRecord(long when, BenchmarkResult result, String source, long bytes) {
        this.when = when;
        this.source = source;
        this.bytes = bytes;
        title = result.title;
        tokens = result.protocol.tokens;
        threads = result.protocol.threads;
        runs = result.latenciesNanos.length;
        p50 = result.millis(50);
        p90 = result.millis(90);
        p99 = result.millis(99);
        coldLoad = result.coldLoadNanos / 1e6;
        invalid = result.invalid;
    }

    BenchmarkRecord(JsonValue json) throws JsonException {
        when = json.get("when").whole();
        title = json.get("title").string();
        source = json.get("source").string();
        tokens = json.get("tokens").count(1);
        threads = json.get("threads").count(1);
        runs = json.get("runs").count(1);
        p50 = json.get("p50").number();
        p90 = json.get("p90").number();
        p99 = json.get("p99").number();
        coldLoad = json.get("cold_load").number();
        bytes = json.get("bytes").size();
        invalid = Collections.unmodifiableList(new ArrayList<>(json.get("invalid").strings()));
    }

    Map<String, Object> toJson() {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("when", when);
        json.put("title", title);
        json.put("source", source);
        json.put("tokens", tokens);
        json.put("threads", threads);
        json.put("runs", runs);
        json.put("p50", p50);
        json.put("p90", p90);
        json.put("p99", p99);
        json.put("cold_load", coldLoad);
        json.put("bytes", bytes);
        json.put("invalid", invalid);
        return json;
    }

    public double tokensPerSecond() {
        return 1e3 * tokens / p50;
    }
}
