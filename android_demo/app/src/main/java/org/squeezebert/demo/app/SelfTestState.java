package org.squeezebert.demo.app;

import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.Artifact;
import org.squeezebert.internal.SelfTestReport;

/** The Self-test screen. */
public final class SelfTestState {
    public final boolean busy;
    public final String error;
    /** The file that is being tested, empty between two. */
    public final String testing;
    /** How many texts of it were tested, of how many. */
    public final int done;
    public final int of;
    public final List<Line> lines;

    SelfTestState(boolean busy, String error, String testing, int done, int of, List<Line> lines) {
        this.busy = busy;
        this.error = error;
        this.testing = testing;
        this.done = done;
        this.of = of;
        this.lines = Collections.unmodifiableList(lines);
    }

    SelfTestState(boolean busy, String error, List<Line> lines) {
        this(busy, error, "", 0, 0, lines);
    }

    /** How many files passed. */
    public int passed() {
        return (int) lines.stream().filter(line -> line.passed).count();
    }

    /** One artifact's verdict. */
    public static final class Line {
        public final String title;
        public final boolean passed;
        /** Why it failed, empty where it passed. */
        public final String reason;
        /** Null where it could not be tested at all. */
        public final SelfTestReport report;

        Line(Artifact artifact, SelfTestReport report) {
            title = artifact.title();
            passed = report.passed();
            reason = report.reason();
            this.report = report;
        }

        Line(Artifact artifact, String reason) {
            title = artifact.title();
            passed = false;
            this.reason = reason;
            report = null;
        }
    }
}
