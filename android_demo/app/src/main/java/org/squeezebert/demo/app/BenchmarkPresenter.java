package org.squeezebert.demo.app;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
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

    private final BenchmarkHistory history;
    private volatile boolean cancelled;

    public BenchmarkPresenter(Session session, BenchmarkHistory history) {
        super(session, BenchmarkState.empty(false, "", 0, null, Collections.emptyList()));
        this.history = history;
    }

    /** Shows the former runs. */
    public void refresh() {
        work(state(), () -> publish(state().withHistory(history.read())));
    }

    public void clearHistory() {
        work(state(), () -> {
            history.clear();
            publish(state().withHistory(Collections.emptyList()));
        });
    }

    public void run(Artifact artifact, BenchmarkProtocol protocol) {
        cancelled = false;
        work(busy(0, null), () -> {
            publish(busy(0, session.device.state()));
            session.model(); // says what is missing where there is no bundle or no runtime
            session.unload();
            BenchmarkTarget target = new BenchmarkTarget(session.bundle(), artifact);
            List<BenchmarkResult> results = new BenchmarkRunner(session.clock, session.device).run(protocol,
                Collections.singletonList(target.toCase(session.providers, protocol.threads, session.clock)), progress());
            Map<String, Object> json = BenchmarkReport.members(Collections.singletonList(target), session.providers, session.device, results);
            publish(finished(results, session.bundle().manifest.sourceName, artifact.bytes, Json.write(json)));
        });
    }

    /** A run that a host asked for, made on the worker, where the runtimes are known; the result goes into its files and onto the screen. */
    public void run(Supplier<RemoteRun> remote, RunRequest request) {
        cancelled = false;
        work(busy(0, null), () -> {
            publish(busy(0, session.device.state()));
            session.unload();
            publish(finished(remote.get().execute(request, progress()), "", 0, ""));
        });
    }

    /** A document that the user chose for a result. */
    public interface Target {
        OutputStream open() throws IOException;
    }

    /** Writes the result on the screen to a document, and does {@code then} on the main thread where that worked. */
    public void save(Target target, Runnable then) {
        BenchmarkState shown = state();
        work(shown, () -> {
            try (OutputStream out = target.open()) {
                if (out == null) throw new IOException("the file picker gave nothing");
                out.write(shown.json.getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "the result", "cannot be written (" + e.getMessage() + ")", "choose another place", e);
            }
            session.main.execute(then);
        });
    }

    public void cancel() {
        cancelled = true;
    }

    private BenchmarkRunner.Progress progress() {
        long[] shown = {session.clock.nanos()};
        DeviceState device = state().device; // asking again would take time from the measurement
        return (fraction, latest) -> {
            if (session.clock.nanos() - shown[0] > SHOW_EVERY_NANOS) {
                shown[0] = session.clock.nanos();
                publish(busy(fraction, device));
            }
            return !cancelled;
        };
    }

    /** The figures of every case and the chart of the first; what was measured goes into the history. */
    private BenchmarkState finished(List<BenchmarkResult> results, String source, long bytes, String json) {
        List<BenchmarkRecord> records = new ArrayList<>();
        List<BenchmarkRecord> measured = new ArrayList<>();
        for (BenchmarkResult result : results) {
            BenchmarkRecord record = new BenchmarkRecord(session.clock.wallMillis(), result, source, bytes);
            records.add(record);
            if (record.runs > 0) measured.add(record);
        }
        List<BenchmarkRecord> kept = measured.isEmpty() ? state().history : history.add(measured);
        return new BenchmarkState(false, "", 1, session.device.state(), records, results.get(0).latenciesNanos, json, kept);
    }

    private BenchmarkState busy(double fraction, DeviceState device) {
        return BenchmarkState.empty(true, "", fraction, device, state().history);
    }

    @Override
    protected BenchmarkState failed(String message) {
        return BenchmarkState.empty(false, message, 0, null, state().history);
    }
}
