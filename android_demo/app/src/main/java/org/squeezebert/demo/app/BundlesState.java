package org.squeezebert.demo.app;

import java.util.List;
import org.squeezebert.internal.Manifest;

/** The Bundles screen. */
public final class BundlesState {
    public final boolean busy;
    public final String error;
    public final List<Line> lines;

    BundlesState(boolean busy, String error, List<Line> lines) {
        this.busy = busy;
        this.error = error;
        this.lines = lines;
    }

    /** One installed bundle. */
    public static final class Line {
        public final String digest;
        /** Null where the bundle is damaged. */
        public final Manifest manifest;
        /** What is wrong with it, empty where nothing is. */
        public final String error;
        public final boolean active;

        Line(String digest, Manifest manifest, String error, boolean active) {
            this.digest = digest;
            this.manifest = manifest;
            this.error = error;
            this.active = active;
        }
    }
}
