package org.squeezebert.internal.ort;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OnnxValue;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Tensor;

/** A loaded ONNX model; the same source serves onnxruntime-android and the desktop jar. */
final class OrtEngine implements InferenceEngine {
    private final OrtEnvironment environment;
    private final OrtSession session;
    private final Artifact artifact;

    OrtEngine(OrtEnvironment environment, String path, Artifact artifact, int threads) {
        this.environment = environment;
        this.artifact = artifact;
        try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
            options.setIntraOpNumThreads(threads);
            options.setInterOpNumThreads(1);
            // What the manifest says of the file counts, not how it is called.
            options.addConfigEntry("session.load_model_format", artifact.form == null ? "ONNX" : "ORT");
            session = environment.createSession(path, options);
        } catch (OrtException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "ONNX Runtime " + environment.getVersion()
                + " does not load it (" + OneLine.of(e) + ")", "choose another artifact of the bundle, or update the app", e);
        }
    }

    @Override
    public Map<String, Tensor> run(long[] ids, long[] typeIds) {
        long[] mask = new long[ids.length];
        Arrays.fill(mask, 1);
        Map<String, long[]> values = new HashMap<>();
        values.put("input_ids", ids);
        values.put("attention_mask", mask);
        values.put("token_type_ids", typeIds);
        Map<String, OnnxTensor> inputs = new HashMap<>();
        try {
            for (Artifact.Port port : artifact.inputs) {
                // every axis but the last (tokens) is a batch or a choice of one
                long[] shape = new long[port.rank()];
                Arrays.fill(shape, 1);
                shape[shape.length - 1] = ids.length;
                inputs.put(port.name, OnnxTensor.createTensor(environment, LongBuffer.wrap(values.get(port.name)), shape));
            }
            try (OrtSession.Result result = session.run(inputs)) {
                return read(result);
            }
        } catch (OrtException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "ONNX Runtime stopped (" + OneLine.of(e) + ")",
                "run the self-test of this bundle", e);
        } finally {
            for (OnnxTensor tensor : inputs.values()) tensor.close();
        }
    }

    private static Map<String, Tensor> read(OrtSession.Result result) {
        Map<String, Tensor> outputs = new LinkedHashMap<>();
        for (Map.Entry<String, OnnxValue> output : result) {
            OnnxTensor tensor = (OnnxTensor) output.getValue();
            FloatBuffer values = tensor.getFloatBuffer(); // each call copies the whole output
            float[] data = new float[values.remaining()];
            values.get(data);
            outputs.put(output.getKey(), new Tensor(tensor.getInfo().getShape(), data));
        }
        return outputs;
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException(e);
        }
    }
}
