package org.squeezebert.internal;

import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** A loaded artifact behind the checks that no runtime makes alike: bad ids are refused before it, broken numbers after it. */
public final class Model implements InferenceEngine {
    private final InferenceEngine engine;
    private final Artifact artifact;
    private final int vocabSize;
    /** The time from the path to a usable model. */
    public final long coldLoadNanos;

    private Model(InferenceEngine engine, Artifact artifact, int vocabSize, long coldLoadNanos) {
        this.engine = engine;
        this.artifact = artifact;
        this.vocabSize = vocabSize;
        this.coldLoadNanos = coldLoadNanos;
    }

    /** Loads an artifact after comparing its bytes with the manifest. */
    public static Model load(Bundle bundle, Artifact artifact, Map<String, EngineProvider> providers, int threads, NanoClock clock) {
        EngineProvider provider = providers.get(artifact.runtime);
        if (provider == null) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "needs a runtime that this build of the app lacks",
                artifact.runtime, providers.keySet(), "choose another artifact of the bundle, or install the build that has it");
        }
        String path = bundle.verified(artifact).toString();
        long start = clock.nanos();
        InferenceEngine engine = provider.open(path, artifact, threads);
        return new Model(engine, artifact, bundle.manifest.tokenizer.vocabSize, clock.nanos() - start);
    }

    @Override
    public Map<String, Tensor> run(long[] ids, long[] typeIds) {
        if (ids.length == 0 || ids.length > artifact.maxLength) {
            throw usage("input_ids", "have the wrong length", ids.length + " tokens", "1 to " + artifact.maxLength);
        }
        if (typeIds.length != ids.length) throw usage("token_type_ids", "have another length than input_ids", typeIds.length, ids.length);
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= vocabSize) throw usage("input_ids", "hold an id without a token", ids[i], "0 to " + (vocabSize - 1));
            if (typeIds[i] < 0 || typeIds[i] > 1) throw usage("token_type_ids", "hold a value out of range", typeIds[i], "0 or 1");
        }
        Map<String, Tensor> outputs = engine.run(ids, typeIds);
        for (Artifact.Port port : artifact.outputs) {
            Tensor tensor = outputs.get(port.name);
            if (tensor == null || tensor.shape.length != port.rank()) {
                throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "does not return the output that the manifest names: " + port.name,
                    "export the bundle again");
            }
            for (float value : tensor.data) {
                if (Float.isNaN(value) || Float.isInfinite(value)) {
                    throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "returned a value that is not a number in " + port.name,
                        "run the self-test of this bundle");
                }
            }
        }
        return outputs;
    }

    private static SqueezeBertException usage(String what, String problem, Object found, Object expected) {
        return new SqueezeBertException(SqueezeBertException.Kind.USAGE, what, problem, found, expected, "encode the text with the bundle's tokenizer");
    }

    @Override
    public void close() {
        engine.close();
    }
}
