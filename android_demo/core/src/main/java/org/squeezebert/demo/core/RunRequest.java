package org.squeezebert.demo.core;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;

/** A measurement that a host asked for over adb. */
public final class RunRequest {
    public final String runId;
    public final String bundleDigest;
    public final List<String> artifactPaths;
    public final BenchmarkProtocol protocol;

    /** Refuses ids that could leave the folder of results. */
    public RunRequest(String runId, String bundleDigest, String artifactPaths, BenchmarkProtocol protocol) throws DemoException {
        if (runId == null || !runId.matches("[A-Za-z0-9_-]{1,64}")) throw refused("run_id", runId, "1 to 64 of A-Z a-z 0-9 _ -");
        if (bundleDigest == null || !bundleDigest.matches("[0-9a-f]{64}")) throw refused("bundle", bundleDigest, "64 hexadecimal digits");
        if (artifactPaths == null || artifactPaths.isEmpty()) throw refused("artifacts", artifactPaths, "paths of the manifest, with commas between");
        this.runId = runId;
        this.bundleDigest = bundleDigest;
        this.artifactPaths = Collections.unmodifiableList(Arrays.asList(artifactPaths.split(",")));
        this.protocol = protocol;
    }

    private static DemoException refused(String what, Object found, String expected) {
        return new DemoException(DemoException.Kind.USAGE, what, "is not usable", found, expected, "start the run with squeezebert-mobile benchmark --device adb:SERIAL");
    }
}
