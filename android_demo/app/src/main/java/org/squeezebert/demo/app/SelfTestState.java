package org.squeezebert.demo.app;

import java.util.List;

/** The Self-test screen. */
public final class SelfTestState {
    public final boolean busy;
    public final String error;
    public final String progress;
    public final List<Line> lines;

    SelfTestState(boolean busy, String error, String progress, List<Line> lines) {
        this.busy = busy;
        this.error = error;
        this.progress = progress;
        this.lines = lines;
    }

    /** One artifact's verdict. */
    public static final class Line {
        public final String title;
        public final boolean passed;
        public final String detail;

        Line(String title, boolean passed, String detail) {
            this.title = title;
            this.passed = passed;
            this.detail = detail;
        }
    }
}
