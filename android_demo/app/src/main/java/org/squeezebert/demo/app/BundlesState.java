package org.squeezebert.demo.app;

import java.util.List;

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
        public final String title;
        public final String detail;
        public final boolean active;

        Line(String digest, String title, String detail, boolean active) {
            this.digest = digest;
            this.title = title;
            this.detail = detail;
            this.active = active;
        }
    }
}
