package org.squeezebert.demo.app;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.Model;
import org.squeezebert.internal.NanoClock;
import org.squeezebert.internal.bench.DeviceProbe;

/** The open bundle and the loaded model, shared by all screens. Everything but the getters runs on the worker. */
public final class Session {
    /** Remembers between starts of the app which bundle and which artifact of it were chosen. */
    public interface Memory {
        String activeDigest();

        void setActiveDigest(String digest);

        String artifact();

        void setArtifact(String path);
    }

    /** Finds the bundle that ships inside the app, null where none does. */
    public interface BuiltIn {
        BundleSource open();
    }

    final Executor worker;
    final Executor main;
    final BundleStore store;
    /** Finds the runtimes: it reads the app's own files, so on the worker alone. */
    private final Supplier<Map<String, EngineProvider>> installed;
    volatile Map<String, EngineProvider> providers = Collections.emptyMap();
    final NanoClock clock;
    final DeviceProbe device;
    private final Memory memory;
    private final BuiltIn builtIn;
    private volatile Bundle bundle;
    private volatile Artifact artifact;
    private volatile int threads = 1;
    /** The loaded ones: the chosen artifact's, and that of another which is compared with it. */
    private final Map<Artifact, Model> models = new HashMap<>();

    public Session(BundleStore store, Supplier<Map<String, EngineProvider>> installed, NanoClock clock, DeviceProbe device, Memory memory,
                   BuiltIn builtIn, Executor worker, Executor main) {
        this.store = store;
        this.installed = installed;
        this.clock = clock;
        this.device = device;
        this.memory = memory;
        this.builtIn = builtIn;
        this.worker = worker;
        this.main = main;
    }

    /** The open bundle, or null before {@link #start} or where none is installed. */
    public Bundle bundle() {
        return bundle;
    }

    public Artifact artifact() {
        return artifact;
    }

    public int threads() {
        return threads;
    }

    /** The runtimes of this build by name, none before {@link #start}. */
    public Map<String, EngineProvider> providers() {
        return providers;
    }

    public DeviceProbe device() {
        return device;
    }

    /** The artifacts of the open bundle that this build can run. */
    public List<Artifact> artifacts() {
        List<Artifact> runnable = new ArrayList<>();
        if (bundle == null) return runnable;
        for (Artifact candidate : bundle.manifest.artifacts) {
            if (providers.containsKey(candidate.runtime)) runnable.add(candidate);
        }
        return runnable;
    }

    /** Finds the runtimes and opens the bundle of the last time, else the built-in one. */
    void start() {
        if (providers.isEmpty()) providers = installed.get();
        List<String> digests = store.digests();
        if (digests.isEmpty()) {
            BundleSource source = builtIn.open();
            if (source == null) return;
            digests = Collections.singletonList(store.install(source));
        }
        activate(digests.contains(memory.activeDigest()) ? memory.activeDigest() : digests.get(0));
    }

    /** Opens an installed bundle; a damaged copy of the built-in one is copied again. */
    void activate(String digest) {
        close();
        Bundle opened;
        try {
            opened = store.open(digest);
        } catch (SqueezeBertException e) {
            BundleSource source = e.kind() == SqueezeBertException.Kind.INTEGRITY ? builtIn.open() : null;
            if (source == null || !store.install(source).equals(digest)) throw e;
            opened = store.open(digest);
        }
        bundle = opened;
        artifact = preferred(artifacts());
        threads = opened.manifest.recommendedThreads;
        memory.setActiveDigest(digest);
    }

    /** The one that was chosen the last time, else the first of the best precision, null where there is none. */
    private Artifact preferred(List<Artifact> runnable) {
        for (Artifact candidate : runnable) {
            if (candidate.path.equals(memory.artifact())) return candidate;
        }
        return Artifact.preferred(runnable);
    }

    void select(Artifact chosen, int newThreads) {
        if (chosen != artifact || newThreads != threads) unload();
        artifact = chosen;
        threads = newThreads;
        memory.setArtifact(chosen.path);
    }

    /** The chosen artifact, loaded at the first call. */
    Model model() {
        if (bundle == null) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, "app", "has no bundle", "import one on the Bundles screen");
        }
        if (artifact == null) {
            throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, Manifest.NAME, "has no artifact for the runtimes of this build " + providers.keySet(),
                "export with --runtime onnx");
        }
        return model(artifact);
    }

    /** An artifact of the open bundle, loaded at the first call. */
    Model model(Artifact wanted) {
        Model model = models.get(wanted);
        if (model == null) models.put(wanted, model = Model.load(bundle, wanted, providers, threads, clock));
        return model;
    }

    /** Forgets the bundle, which was deleted. */
    void close() {
        unload();
        bundle = null;
        artifact = null;
    }

    /** True while a model takes memory. On the worker. */
    public boolean isLoaded() {
        return !models.isEmpty();
    }

    /** Gives the model's memory back; it is loaded again at the next answer. On the worker. */
    public void unload() {
        for (Model model : models.values()) model.close();
        models.clear();
    }
}
