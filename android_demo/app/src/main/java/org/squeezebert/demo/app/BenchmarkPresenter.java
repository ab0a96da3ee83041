package org.squeezebert.demo.app;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.bench.BenchmarkProtocol;
import org.squeezebert.internal.bench.BenchmarkReport;
import org.squeezebert.internal.bench.BenchmarkResult;
import org.squeezebert.internal.bench.BenchmarkRunner;
import org.squeezebert.internal.bench.BenchmarkTarget;
import org.squeezebert.internal.bench.DeviceState;
import org.squeezebert.internal.bench.RemoteRun;
import org.squeezebert.internal.bench.RunRequest;

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
            BenchmarkTarget target = new BenchmarkTarget(session.bundle(), artifact);
            List<BenchmarkResult> results = new BenchmarkRunner(session.clock, session.device).run(protocol,
                Collections.singletonList(target.toCase(session.providers, protocol.threads, session.clock)), progress());
            Map<String, Object> json = BenchmarkReport.members(Collections.singletonList(target), session.providers, session.device, results);
            publish(finished(results, Json.write(json)));
        });
    }

    /** A run that a host asked for, made on the worker, where the runtimes are known; the result goes into its files and onto the screen. */
    public void run(Supplier<RemoteRun> remote, RunRequest request) {
        cancelled = false;
        work(BenchmarkState.empty(true, "", 0, ""), () -> {
            publish(BenchmarkState.empty(true, "", 0, deviceLine()));
            session.unload();
            publish(finished(remote.get().execute(request, progress()), ""));
        });
    }

    /** A document that the user chose for a result. */
    public interface Target {
        OutputStream open() throws IOException;
    }

    /** Writes the result on the screen to a document. */
    public void save(Target target) {
        BenchmarkState shown = state();
        work(shown, () -> {
            try (OutputStream out = target.open()) {
                if (out == null) throw new IOException("the file picker gave nothing");
                out.write(shown.json.getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "the result", "cannot be written (" + e.getMessage() + ")", "choose another place", e);
            }
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
    private BenchmarkState finished(List<BenchmarkResult> results, String json) {
        double[] millis = Arrays.stream(results.get(0).latenciesNanos).mapToDouble(nanos -> nanos / 1e6).toArray();
        Set<String> invalid = new LinkedHashSet<>();
        List<String> lines = new ArrayList<>();
        for (BenchmarkResult result : results) {
            BenchmarkProtocol protocol = result.protocol;
            invalid.addAll(result.invalid);
            lines.add(String.format(Locale.ROOT, "%s, %d tokens, %s: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms over %d runs, cold load %.1f ms",
                result.title, protocol.tokens, Session.threads(protocol.threads), result.millis(50), result.millis(90), result.millis(99),
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
