package org.squeezebert.internal;

import java.util.LinkedHashMap;
import java.util.Map;

/** What the self-test of one artifact found. */
public final class SelfTestReport {
    /** As the host's: no difference as large as the answers themselves passes, whatever gate the bundle states. */
    private static final double NEGLIGIBLE = 1e-4;

    public final Artifact artifact;
    public int idCases;
    /** Name of the first case whose ids differ, or null. */
    public String firstOtherIds;
    public int outputCases;
    /** Cases whose sampled entries have their largest value at the reference's place. */
    public int argmaxEqual;
    public double maxAbs;
    public String worstCase = "";
    private final Map<String, double[]> byOutput = new LinkedHashMap<>(); // squared error, entries, peak, max abs

    SelfTestReport(Artifact artifact) {
        this.artifact = artifact;
    }

    void addIds(String name, boolean same) {
        idCases++;
        if (!same && firstOtherIds == null) firstOtherIds = name;
    }

    /** {@code found} is null where the output is missing or has another shape. */
    void addOutput(String name, GoldenCase.Output expected, double[] found) {
        outputCases++;
        double[] tally = byOutput.computeIfAbsent(expected.name, key -> new double[4]);
        double worst = found == null ? Double.POSITIVE_INFINITY : 0;
        for (int i = 0; found != null && i < found.length; i++) {
            double error = Math.abs(found[i] - expected.values[i]);
            worst = Math.max(worst, error);
            tally[0] += error * error;
            tally[2] = Math.max(tally[2], Math.abs(expected.values[i]));
        }
        tally[1] += expected.values.length;
        tally[3] = Math.max(tally[3], worst);
        if (found != null && Answers.argmax(found) == Answers.argmax(expected.values)) argmaxEqual++;
        if (worst >= maxAbs) {
            maxAbs = worst;
            worstCase = name;
        }
    }

    /** True where ids are equal and every output passes the gate that the exporter wrote into the manifest. */
    public boolean passed() {
        return reason().isEmpty();
    }

    /** Why it failed, empty where it passed. */
    public String reason() {
        if (firstOtherIds != null) return "other token ids for \"" + firstOtherIds + "\"";
        for (Artifact.Parity gate : artifact.parity) {
            double[] tally = byOutput.get(gate.output);
            if (tally == null) continue;
            if (Double.isInfinite(tally[3]) || Double.isNaN(tally[3])) return gate.output + " is missing, has another shape or is not a number";
            if (gate.atol != null && tally[3] > gate.atol) {
                return String.format(java.util.Locale.ROOT, "%s is %.2g off, allowed %.2g", gate.output, tally[3], gate.atol);
            }
            double most = Math.max(NEGLIGIBLE, largestShare() * tally[2]);
            if (tally[3] > most) return String.format(java.util.Locale.ROOT, "%s is %.2g off, more than %.2g is another answer", gate.output, tally[3], most);
            double psnr = 20 * Math.log10(tally[2] / Math.sqrt(tally[0] / tally[1]));
            if (gate.minPsnrDb != null && psnr < gate.minPsnrDb) {
                return String.format(java.util.Locale.ROOT, "%s has %.1f dB, needed %.1f", gate.output, psnr, gate.minPsnrDb);
            }
        }
        return "";
    }

    /** The largest difference, as a share of the largest reference value, that is no other answer. */
    private double largestShare() {
        switch (artifact.precision) {
            case "fp32": return 0.01;
            case "fp16": return 0.1;
            default: return 0.75;
        }
    }
}
