package org.squeezebert.internal.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.NanoClock;

/**
 * The device's side of a measurement over adb: {@code ready.json} from the first start on, {@code pushed/DIGEST/} in,
 * {@code runs/ID.status.json} and {@code runs/ID.json} out.
 *
 * <p>Each file appears by rename, so that a host that polls never reads half of one.
 */
public final class RemoteRun {
    public static final String PUSHED = "pushed";
    public static final String RUNS = "runs";
    /** What host and app agree on: this class's files and the extras of {@link RunRequest}. */
    private static final int CONTRACT = 4;
    private static final int SCHEMA_VERSION = 3;
    /** The host asks every ten seconds at most; the measurement should not write more often. */
    private static final long STATUS_EVERY_NANOS = 5_000_000_000L;

    private final Path root;
    private final Path copies;
    private final Map<String, EngineProvider> providers;
    private final NanoClock clock;
    private final DeviceProbe device;

    /** {@code copies}: a private folder, where a pushed bundle is opened from; others may write {@code root}. */
    public RemoteRun(Path root, Path copies, Map<String, EngineProvider> providers, NanoClock clock, DeviceProbe device) {
        this.root = root;
        this.copies = copies;
        this.providers = providers;
        this.clock = clock;
        this.device = device;
    }

    /** Tells a host that the app made this folder itself, which Android lets both of them use. */
    public static void announce(Path root) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("contract", CONTRACT);
        write(root, "ready.json", json);
    }

    /** Measures and writes the result; whatever goes wrong ends up in the status file as well. */
    public List<BenchmarkResult> execute(RunRequest request, BenchmarkRunner.Progress progress) {
        try {
            status(request, "running", 0, null);
            BundleStore store = new BundleStore(copies);
            empty(store); // of what a killed process left
            try {
                Map<String, Bundle> opened = new LinkedHashMap<>();
                for (RunRequest.Wanted file : request.files) {
                    if (!opened.containsKey(file.bundle)) opened.put(file.bundle, take(store, file.bundle));
                }
                return measure(request, opened, progress);
            } finally {
                empty(store);
            }
        } catch (SqueezeBertException e) {
            status(request, "failed", 0, e.getMessage());
            throw e;
        } catch (RuntimeException | LinkageError | OutOfMemoryError e) {
            SqueezeBertException wrapped = new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "app", "stopped (" + e + ")", "see logcat", e);
            status(request, "failed", 0, wrapped.getMessage());
            throw wrapped;
        }
    }

    private static void empty(BundleStore store) {
        for (String left : store.digests()) store.delete(left);
    }

    /** A private copy of a pushed bundle. */
    private Bundle take(BundleStore store, String wanted) {
        String digest = store.install(new FolderSource(root.resolve(PUSHED).resolve(wanted)));
        if (!digest.equals(wanted)) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, Manifest.NAME, "is another bundle's", digest, wanted, "push the bundle again");
        }
        return store.open(digest);
    }

    private List<BenchmarkResult> measure(RunRequest request, Map<String, Bundle> opened, BenchmarkRunner.Progress progress) {
        List<BenchmarkTarget> targets = new ArrayList<>();
        List<BenchmarkRunner.Case> cases = new ArrayList<>();
        for (RunRequest.Wanted file : request.files) {
            Bundle bundle = opened.get(file.bundle);
            BenchmarkTarget target = new BenchmarkTarget(bundle, artifact(bundle, file.path));
            targets.add(target);
            cases.add(target.toCase(providers, request.protocol.threads, clock));
        }
        long[] lastStatus = {clock.nanos()};
        List<BenchmarkResult> results = new BenchmarkRunner(clock, device).run(request.protocol, cases, (fraction, latest) -> {
            if (clock.nanos() - lastStatus[0] > STATUS_EVERY_NANOS) {
                statusQuietly(request, fraction);
                lastStatus[0] = clock.nanos();
            }
            return progress.update(fraction, latest);
        });
        write(root.resolve(RUNS), request.runId + ".json", describe(request, targets, results));
        status(request, "done", 1, null);
        return results;
    }

    private Map<String, Object> describe(RunRequest request, List<BenchmarkTarget> targets, List<BenchmarkResult> results) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("schema_version", SCHEMA_VERSION);
        json.put("run_id", request.runId);
        json.putAll(BenchmarkReport.members(targets, providers, device, results));
        return json;
    }

    static Artifact artifact(Bundle bundle, String path) {
        for (Artifact artifact : bundle.manifest.artifacts) {
            if (artifact.path.equals(path)) return artifact;
        }
        throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, path, "is not an artifact of the bundle", "choose one that info BUNDLE lists");
    }

    /** A status that cannot be written during the run must not end it; the last one will tell. */
    private void statusQuietly(RunRequest request, double fraction) {
        try {
            status(request, "running", fraction, null);
        } catch (SqueezeBertException ignored) {
            return;
        }
    }

    private void status(RunRequest request, String state, double fraction, String error) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("run_id", request.runId);
        json.put("state", state);
        json.put("fraction", fraction);
        json.put("error", error);
        write(root.resolve(RUNS), request.runId + ".status.json", json);
    }

    private static void write(Path folder, String name, Map<String, Object> json) {
        Path temporary = folder.resolve(name + ".tmp");
        try {
            Files.createDirectories(folder);
            Files.write(temporary, (Json.write(json) + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8));
            // Android makes an app's files for the app alone. Where its storage has no such rights this changes nothing.
            folder.toFile().setExecutable(true, false);
            temporary.toFile().setReadable(true, false);
            Files.move(temporary, folder.resolve(name), StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, folder.resolve(name).toString(), "cannot be written (" + e + ")", "free storage on the device", e);
        }
    }
}
