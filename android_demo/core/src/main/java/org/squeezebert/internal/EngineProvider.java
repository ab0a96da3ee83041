package org.squeezebert.internal;

import java.util.Map;
import java.util.ServiceLoader;
import java.util.TreeMap;

/** One runtime of this build, found through {@link ServiceLoader}: the app names none and a build may leave one out. */
public interface EngineProvider {
    /** The manifest's name of the runtime: {@code onnx} or {@code executorch}. */
    String runtime();

    /** The version that the loaded library gives, or that it was built with. */
    String version();

    /** Loads {@code path} (a verified file), which {@code artifact} describes, with {@code threads} threads. */
    InferenceEngine open(String path, Artifact artifact, int threads);

    /** The runtimes of this build by name. */
    static Map<String, EngineProvider> installed() {
        Map<String, EngineProvider> providers = new TreeMap<>();
        for (EngineProvider provider : ServiceLoader.load(EngineProvider.class, EngineProvider.class.getClassLoader())) {
            providers.put(provider.runtime(), provider);
        }
        return providers;
    }
}
