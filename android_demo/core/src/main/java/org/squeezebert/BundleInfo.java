package org.squeezebert;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.Manifest;

/** What was opened: the bundle, and the file of it that answers. */
public final class BundleInfo {
    private final Manifest manifest;
    private final Artifact artifact;
    private final int threads;

    BundleInfo(Manifest manifest, Artifact artifact, int threads) {
        this.manifest = manifest;
        this.artifact = artifact;
        this.threads = threads;
    }

    /** The SHA-256 of bundle.json, which holds every other digest: the identity of the bundle. */
    public String digest() {
        return manifest.digest;
    }

    /** The task by its name on the Hugging Face hub, such as {@code text-classification}. */
    public String task() {
        return manifest.task.id;
    }

    /** The labels in the model's order, empty for tasks without. Unmodifiable. */
    public List<String> labels() {
        return manifest.labels;
    }

    /** The name of the checkpoint that it was exported from. */
    public String source() {
        return manifest.sourceName;
    }

    /** The licence of the model, an SPDX expression or {@code unknown}. */
    public String license() {
        return manifest.license;
    }

    /** The version of a pack; null where the bundle is none. */
    public @Nullable String version() {
        return manifest.release == null ? null : manifest.release.version;
    }

    /** The path of the loaded file inside the bundle. */
    public String file() {
        return artifact.path;
    }

    /** The size of the loaded file. */
    public long bytes() {
        return artifact.bytes;
    }

    /** {@code onnx} or {@code executorch}. */
    public String runtime() {
        return artifact.runtime;
    }

    /** {@code fp32}, {@code fp16}, {@code int8} or {@code int8-static}. */
    public String precision() {
        return artifact.precision;
    }

    /** The threads of an inference. */
    public int threads() {
        return threads;
    }

    /** The most tokens that it reads at once. */
    public int maxTokens() {
        return artifact.maxLength;
    }

    @Override
    public String toString() {
        return task() + ", " + file() + ", " + digest();
    }
}
