package org.squeezebert;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.squeezebert.internal.Artifact;

/** Which file of a bundle is loaded, and how. */
public final class Options {
    /** The runtime at hand, the fastest exact file, the threads that the bundle recommends. */
    public static final Options DEFAULT = builder().build();
    private static final int MOST_THREADS = 64;

    private final @Nullable String runtime;
    private final @Nullable String precision;
    private final int threads;

    private Options(Builder builder) {
        runtime = builder.runtime;
        precision = builder.precision;
        threads = builder.threads;
    }

    /** To state what is other than in {@link #DEFAULT}. */
    public static Builder builder() {
        return new Builder();
    }

    int threads(int recommended) {
        return threads == 0 ? recommended : threads;
    }

    /** The preferred one of those that fit and that a runtime of {@code installed} takes. */
    Artifact choose(List<Artifact> artifacts, Set<String> installed) {
        List<Artifact> fitting = new ArrayList<>();
        List<String> found = new ArrayList<>();
        for (Artifact artifact : artifacts) {
            found.add(artifact.runtime + " " + artifact.precision);
            boolean wanted = (runtime == null || runtime.equals(artifact.runtime)) && (precision == null || precision.equals(artifact.precision));
            if (wanted && installed.contains(artifact.runtime)) fitting.add(artifact);
        }
        if (!fitting.isEmpty()) return Artifact.preferred(fitting);
        String expected = (runtime == null ? "a runtime of this build " + installed : runtime) + (precision == null ? "" : " " + precision);
        boolean lacks = runtime != null && !installed.contains(runtime);
        throw new SqueezeBertException(SqueezeBertException.Kind.UNSUPPORTED, "bundle.json", "has no file to load", found, expected,
            lacks ? "add squeezebert-ort or squeezebert-et to the app, which has " + installed : "choose one that it has, or export the bundle for this runtime");
    }

    /** Makes options; what is not stated stays as in {@link #DEFAULT}. */
    public static final class Builder {
        private @Nullable String runtime;
        private @Nullable String precision;
        private int threads;

        private Builder() { }

        /** {@code onnx} or {@code executorch}; the module with it must be in the app. */
        public Builder runtime(String name) {
            runtime = requireNonNull(name, "name");
            return this;
        }

        /** {@code int8}, {@code int8-static}, {@code fp16} or {@code fp32}. */
        public Builder precision(String name) {
            precision = requireNonNull(name, "name");
            return this;
        }

        /**
         * The threads of one inference.
         *
         * @throws SqueezeBertException for less than 1 or more than 64
         */
        public Builder threads(int count) {
            if (count < 1 || count > MOST_THREADS) {
                throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "threads", "are out of range", count, "1 to " + MOST_THREADS, "take 1, which is best for short texts");
            }
            threads = count;
            return this;
        }

        /** The options as stated so far. */
        public Options build() {
            return new Options(this);
        }
    }
}
