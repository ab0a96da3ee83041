package org.squeezebert.internal.ort;

import ai.onnxruntime.OrtEnvironment;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.InferenceEngine;

/** ONNX Runtime on the CPU. */
public final class OrtProvider implements EngineProvider {
    @Override
    public String runtime() {
        return "onnx";
    }

    @Override
    public String version() {
        return environment().getVersion();
    }

    @Override
    public InferenceEngine open(String path, Artifact artifact, int threads) {
        return new OrtEngine(environment(), path, artifact, threads);
    }

    /** The one place that touches the library first, with telemetry off. ORT_DISABLE_TELEMETRY=1 must already be in the environment. */
    private static OrtEnvironment environment() {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        try {
            environment.setTelemetry(false);
        } catch (ai.onnxruntime.OrtException e) {
            throw new IllegalStateException("ONNX Runtime would not switch its telemetry off", e);
        }
        return environment;
    }
}
