package org.squeezebert.internal;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is known to be wrong with some versions of the runtimes: the table of the package's runtimes.json, which its tests compare. */
public final class KnownFaults {
    private static final Pattern VERSION = Pattern.compile("(\\d+)\\.(\\d+)(?:\\.(\\d+))?.*");
    /** Runtime, first version, first version without it, what is wrong and where. */
    private static final String[][] FAULTS = {
        {"onnx", "1.23.0", "1.24.4", "ARM processors with SME (Snapdragon 8 Elite Gen 5): the process dies of an illegal instruction in KleidiAI's products"},
        {"onnx", "1.24.0", "1.27.0", "ARM processors with SME (Apple M4, iPhone 16 and newer): memory grows with every float convolution in KleidiAI; files of this exporter have none, but others in the app may"},
        {"onnx", "1.27.0", "1.28.0", "ARM processors with SME (Apple M4, Snapdragon 8 Elite Gen 5): answers are wrong or differ from call to call"},
        {"executorch", "1.2.0", "1.3.1", "x86-64 processors with AVX-512 FP16; others were not tried: files in fp16 answer wrong"},
    };

    private KnownFaults() {}

    /** A sentence for each fault of a runtime's version; empty where there is none, or where the version is not known. */
    public static String of(String runtime, String version) {
        StringBuilder found = new StringBuilder();
        long number = number(version);
        for (String[] fault : FAULTS) {
            if (number >= 0 && fault[0].equals(runtime) && number(fault[1]) <= number && number < number(fault[2])) {
                found.append(found.length() == 0 ? "" : "; ").append("known to be bad on ").append(fault[3]).append(", take ").append(fault[2]);
            }
        }
        return found.toString();
    }

    private static long number(String version) {
        Matcher match = VERSION.matcher(version);
        if (!match.matches()) return -1;
        String patch = match.group(3);
        return (Long.parseLong(match.group(1)) * 1000 + Long.parseLong(match.group(2))) * 1000 + (patch == null ? 0 : Long.parseLong(patch));
    }
}
