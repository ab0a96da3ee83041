package org.squeezebert.demo.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Measures an artifact on this device, from the screen or for a host over adb. */
public final class BenchmarkPresenter extends Presenter<BenchmarkState> {
    /** A screen that redraws more often would take time from the measurement. */
    private static final long SHOW_EVERY_NANOS = 1_000_000_000L;

    private volatile boolean cancelled;

    public BenchmarkPresenter(Session session) {
        super(session, BenchmarkState.empty(false, "", 0, ""));
    }

    public void run(Artifact artifact, BenchmarkProtocol protocol) {
        cancelled = false;
        work(BenchmarkState.empty(true, "", 0, ""), () -> {
            publish(BenchmarkState.empty(true, "", 0, deviceLine()));
            session.model(); // says what is missing where there is no bundle or no runtime
            session.unload();
            List<Artifact> artifacts = Collections.singletonList(artifact);
            List<BenchmarkResult> results = new BenchmarkRunner(session.clock, session.device).run(protocol, session.bundle().manifest.tokenizer,
                RemoteRun.loaders(session.bundle(), artifacts, session.providers, protocol.threads, session.clock), progress());
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("bundle_digest", session.bundle().manifest.digest);
            json.putAll(BenchmarkReport.members(artifacts, session.providers, session.device, results));
            publish(finished(Collections.singletonList(artifact.title()), results, Json.write(json)));
        });
    }

    /** A run that a host asked for; the result goes into its files and onto the screen. */
    public void run(RemoteRun remote, RunRequest request) {
        cancelled = false;
        work(BenchmarkState.empty(true, "", 0, ""), () -> {
            publish(BenchmarkState.empty(true, "", 0, deviceLine()));
            session.unload();
            publish(finished(request.artifactPaths, remote.execute(request, progress()), ""));
        });
    }

    public void cancel() {
        cancelled = true;
    }

    private BenchmarkRunner.Progress progress() {
        long[] shown = {session.clock.nanos()};
        String device = state().device; // asking again would take time from the measurement
        return (fraction, latest) -> {
            if (session.clock.nanos() - shown[0] > SHOW_EVERY_NANOS) {
                shown[0] = session.clock.nanos();
                publish(BenchmarkState.empty(true, "", fraction, device));
            }
            return !cancelled;
        };
    }

    /** The figures of every case, the chart of the first, and all that makes any of them invalid. */
    private BenchmarkState finished(List<String> titles, List<BenchmarkResult> results, String json) {
        double[] millis = Arrays.stream(results.get(0).latenciesNanos).mapToDouble(nanos -> nanos / 1e6).toArray();
        Set<String> invalid = new LinkedHashSet<>();
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < results.size(); i++) {
            BenchmarkResult result = results.get(i);
            BenchmarkProtocol protocol = result.protocol;
            invalid.addAll(result.invalid);
            lines.add(String.format(Locale.ROOT, "%s, %d tokens, %s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms over %d runs, cold load %.1f ms",
                titles.get(i), protocol.tokens, Session.threads(protocol.threads), result.millis(50), result.millis(90), result.millis(99),
                result.latenciesNanos.length, result.coldLoadNanos / 1e6));
        }
        return new BenchmarkState(false, "", 1, deviceLine(), String.join("\n", lines), new ArrayList<>(invalid), millis, json);
    }

    /** Thermal state, battery and charger now. */
    private String deviceLine() {
        DeviceState state = session.device.state();
        String battery = state.batteryPercent == DeviceState.UNKNOWN ? "unknown" : state.batteryPercent + " %";
        return "thermal status " + state.thermalName() + ", battery " + battery + (state.charging ? ", charging" : "");
    }

    @Override
    protected BenchmarkState failed(String message) {
        return BenchmarkState.empty(false, message, 0, "");
    }
}
