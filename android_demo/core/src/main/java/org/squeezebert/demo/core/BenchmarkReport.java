package org.squeezebert.demo.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** The members that every result has, shared from the screen or pulled over adb. */
final class BenchmarkReport {
    private BenchmarkReport() { }

    static Map<String, Object> members(Artifact artifact, Map<String, EngineProvider> providers, DeviceProbe device, BenchmarkResult result) {
        Map<String, Object> json = new LinkedHashMap<>();
        Map<String, Object> file = new LinkedHashMap<>();
        file.put("path", artifact.path);
        file.put("sha256", artifact.sha256);
        file.put("runtime", artifact.runtime);
        file.put("precision", artifact.precision);
        json.put("artifact", file);
        json.put("runtime_version", providers.get(artifact.runtime).version());
        json.put("device", device.facts());
        json.putAll(result.toJson());
        return json;
    }
}
