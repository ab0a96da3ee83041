package org.squeezebert.internal.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.EngineProvider;

/** The members that every result file has, shared from the screen or pulled over adb. */
public final class BenchmarkReport {
    private BenchmarkReport() { }

    /** {@code results} are those of {@code targets}, in their order. */
    public static Map<String, Object> members(List<BenchmarkTarget> targets, Map<String, EngineProvider> providers, DeviceProbe device, List<BenchmarkResult> results) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("device", device.facts());
        json.put("protocol", results.get(0).protocol.toJson());
        json.put("cool_down_seconds", results.get(0).protocol.coolDownSeconds);
        json.putAll(results.get(0).conditions.toJson());
        List<Object> cases = new ArrayList<>();
        for (int i = 0; i < targets.size(); i++) cases.add(oneCase(targets.get(i), providers, results.get(i)));
        json.put("cases", cases);
        return json;
    }

    private static Map<String, Object> oneCase(BenchmarkTarget target, Map<String, EngineProvider> providers, BenchmarkResult result) {
        Map<String, Object> json = new LinkedHashMap<>();
        Map<String, Object> file = new LinkedHashMap<>();
        Artifact artifact = target.artifact;
        file.put("bundle", target.bundle.manifest.digest);
        file.put("path", artifact.path);
        file.put("sha256", artifact.sha256);
        file.put("runtime", artifact.runtime);
        file.put("precision", artifact.precision);
        json.put("artifact", file);
        json.put("runtime_version", providers.get(artifact.runtime).version());
        json.putAll(result.toJson());
        return json;
    }
}
