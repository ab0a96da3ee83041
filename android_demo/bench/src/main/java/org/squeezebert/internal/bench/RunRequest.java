package org.squeezebert.internal.bench;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.SqueezeBertException;

/** A measurement that a host asked for over adb. */
public final class RunRequest {
    /** A file by the digest of its bundle and its path there. */
    static final class Wanted {
        final String bundle;
        final String path;

        private Wanted(String bundle, String path) {
            this.bundle = bundle;
            this.path = path;
        }
    }

    private static final int DIGEST_LENGTH = 64;

    public final String runId;
    final List<Wanted> files;
    public final BenchmarkProtocol protocol;

    /** {@code artifacts} are DIGEST/PATH, with commas between. Refuses ids that could leave the folder of results. */
    public RunRequest(String runId, String artifacts, BenchmarkProtocol protocol) {
        if (runId == null || !runId.matches("[A-Za-z0-9_-]{1,64}")) throw refused("run_id", runId, "1 to 64 of A-Z a-z 0-9 _ -");
        List<Wanted> wanted = new ArrayList<>();
        for (String file : String.valueOf(artifacts).split(",")) {
            if (!file.matches("[0-9a-f]{64}/.+")) throw refused("artifacts", artifacts, "a bundle's digest, / and a path of its manifest, with commas between");
            wanted.add(new Wanted(file.substring(0, DIGEST_LENGTH), file.substring(DIGEST_LENGTH + 1)));
        }
        this.runId = runId;
        files = Collections.unmodifiableList(wanted);
        this.protocol = protocol;
    }

    private static SqueezeBertException refused(String what, Object found, String expected) {
        return new SqueezeBertException(SqueezeBertException.Kind.USAGE, what, "is not usable", found, expected, "start the run with squeezebert-mobile benchmark --device adb:SERIAL");
    }
}
