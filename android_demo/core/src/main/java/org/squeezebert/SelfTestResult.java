package org.squeezebert;

import org.squeezebert.internal.SelfTestReport;

/** Whether a file of a bundle answers its golden texts on this device as the reference did. */
public final class SelfTestResult {
    private final String reason;
    private final int cases;
    private final double largestDifference;

    SelfTestResult(SelfTestReport report) {
        reason = report.reason();
        cases = report.outputCases;
        largestDifference = report.maxAbs;
    }

    /** True where token ids are equal, and outputs as near as the bundle demands. */
    public boolean passed() {
        return reason.isEmpty();
    }

    /** Why it did not pass, empty where it did. */
    public String reason() {
        return reason;
    }

    /** How many outputs were compared. */
    public int cases() {
        return cases;
    }

    /** The largest difference of a value from the reference's. */
    public double largestDifference() {
        return largestDifference;
    }

    @Override
    public String toString() {
        return passed() ? "passed, " + cases + " outputs" : reason;
    }
}
