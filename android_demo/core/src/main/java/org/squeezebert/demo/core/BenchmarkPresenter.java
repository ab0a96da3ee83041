package org.squeezebert.demo.core;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/** Measures an artifact on this device, from the screen or for a host over adb. */
public final class BenchmarkPresenter extends Presenter<BenchmarkState> {
    /** A screen that redraws more often would take time from the measurement. */
    private static final long SHOW_EVERY_NANOS = 250_000_000L;

    private volatile boolean cancelled;

    public BenchmarkPresenter(Session session) {
        super(session, BenchmarkState.empty(false, "", 0, ""));
    }

    public void run(Artifact artifact, BenchmarkProtocol protocol) {
        cancelled = false;
        work(BenchmarkState.empty(true, "", 0, deviceLine()), () -> {
            session.model(); // says what is missing where there is no bundle or no runtime
            session.unload();
            Model model = Model.load(session.bundle(), artifact, session.providers, protocol.threads, session.clock);
            BenchmarkResult result = new BenchmarkRunner(session.clock, session.device)
                .run(protocol, session.bundle().manifest.tokenizer, model, model.coldLoadNanos, progress());
            Map<String, Object> json = new LinkedHashMap<>();
            json.put("bundle_digest", session.bundle().manifest.digest);
            json.putAll(BenchmarkReport.members(artifact, session.providers, session.device, result));
            publish(finished(artifact.title(), result, Json.write(json)));
        });
    }

    /** A run that a host asked for; the result goes into its files and onto the screen. */
    public void run(RemoteRun remote, RunRequest request) {
        cancelled = false;
        work(BenchmarkState.empty(true, "", 0, deviceLine()), () -> {
            session.unload();
            publish(finished(request.artifactPath, remote.execute(request, progress()), ""));
        });
    }

    public void cancel() {
        cancelled = true;
    }

    private BenchmarkRunner.Progress progress() {
        long[] shown = {session.clock.nanos()};
        return (fraction, latest) -> {
            if (session.clock.nanos() - shown[0] > SHOW_EVERY_NANOS) {
                shown[0] = session.clock.nanos();
                publish(BenchmarkState.empty(true, "", fraction, deviceLine()));
            }
            return !cancelled;
        };
    }

    private BenchmarkState finished(String title, BenchmarkResult result, String json) {
        double[] millis = Arrays.stream(result.latenciesNanos).mapToDouble(nanos -> nanos / 1e6).toArray();
        BenchmarkProtocol protocol = result.protocol;
        String summary = String.format(Locale.ROOT, "%s, %d tokens, %s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms over %d runs, cold load %.1f ms",
            title, protocol.tokens, Session.threads(protocol.threads), result.millis(50), result.millis(90), result.millis(99), millis.length, result.coldLoadNanos / 1e6);
        return new BenchmarkState(false, "", 1, deviceLine(), summary, result.invalid, millis, json);
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
