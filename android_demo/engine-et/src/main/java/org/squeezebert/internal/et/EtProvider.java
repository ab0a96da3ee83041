package org.squeezebert.internal.et;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.pytorch.executorch.EValue;
import org.pytorch.executorch.Module;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.InferenceEngine;
import org.squeezebert.internal.Tensor;

/** ExecuTorch with the XNNPACK backend. Everything that knows its Java API is in this file, which still changes between releases. */
public final class EtProvider implements EngineProvider {
    @Override
    public String runtime() {
        return "executorch";
    }

    /** As the build resolved it: the library has no call that tells its version. */
    @Override
    public String version() {
        return BuildConfig.EXECUTORCH_VERSION;
    }

    @Override
    public InferenceEngine open(String path, Artifact artifact, int threads) {
        try {
            Module module = Module.load(path, Module.LOAD_MODE_MMAP, threads);
            module.loadMethod("forward"); // load only opens the file: here the backend packs the weights
            return new EtEngine(module, artifact);
        } catch (RuntimeException | LinkageError e) {
            throw failed(artifact, "ExecuTorch does not load it", e);
        }
    }

    private static SqueezeBertException failed(Artifact artifact, String what, Throwable cause) {
        return new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, what + " (" + cause.getMessage() + ")",
            "choose another artifact of the bundle, or update the app", cause);
    }

    private static final class EtEngine implements InferenceEngine {
        private final Module module;
        private final Artifact artifact;

        EtEngine(Module module, Artifact artifact) {
            this.module = module;
            this.artifact = artifact;
        }

        @Override
        public Map<String, Tensor> run(long[] ids, long[] typeIds) {
            long[] shape = {1, ids.length};
            EValue[] values;
            try {
                values = module.forward(EValue.from(org.pytorch.executorch.Tensor.fromBlob(ids, shape)),
                    EValue.from(org.pytorch.executorch.Tensor.fromBlob(typeIds, shape)));
            } catch (RuntimeException e) {
                throw failed(artifact, "ExecuTorch stopped", e);
            }
            List<Artifact.Port> ports = artifact.outputs;
            if (values.length != ports.size()) {
                throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, artifact.path, "returns another number of outputs than the manifest says",
                    values.length, ports.size(), "export the bundle again");
            }
            Map<String, Tensor> outputs = new LinkedHashMap<>();
            for (int i = 0; i < values.length; i++) {
                org.pytorch.executorch.Tensor tensor = values[i].toTensor();
                outputs.put(ports.get(i).name, new Tensor(tensor.shape(), tensor.getDataAsFloatArray()));
            }
            return outputs;
        }

        @Override
        public void close() {
            module.destroy();
        }
    }
}
