package org.squeezebert.demo.desktop;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.bench.BenchmarkProtocol;
import org.squeezebert.internal.bench.DeviceProbe;
import org.squeezebert.internal.bench.DeviceState;
import org.squeezebert.internal.bench.RemoteRun;
import org.squeezebert.internal.bench.RunRequest;

/** The app's side of a run over adb on the JVM, for tests of the host's side. */
public final class RunBenchmark {
    private RunBenchmark() { }

    /** Arguments: FOLDER, then NAME=VALUE for each extra that the app takes. */
    public static void main(String[] arguments) throws IOException {
        Map<String, String> extras = new HashMap<>();
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            if (equals > 0) extras.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        BenchmarkProtocol protocol = new BenchmarkProtocol(number(extras, "threads"), number(extras, "tokens"), number(extras, "warmup"),
            number(extras, "min_runs"), number(extras, "min_seconds"),
            number(extras, "turn_warmup"), number(extras, "turn_runs"), number(extras, "cool_down"));
        RunRequest request = new RunRequest(extras.get("run_id"), extras.get("artifacts"), protocol);
        DeviceProbe device = new DeviceProbe() {
            @Override
            public Map<String, Object> facts() {
                return Collections.singletonMap("model", "JVM");
            }

            @Override
            public DeviceState state() {
                DeviceState.Builder state = new DeviceState.Builder();
                state.thermalStatus = 0;
                state.batteryPercent = 80;
                return state.build();
            }
        };
        Path copies = Files.createTempDirectory("measured");
        new RemoteRun(Paths.get(arguments[0]), copies, EngineProvider.installed(), NanoClock.SYSTEM, device).execute(request, (fraction, latest) -> true);
    }

    private static int number(Map<String, String> extras, String name) {
        return Integer.parseInt(extras.get(name));
    }
}
