package org.squeezebert.internal.ort;

/** ONNX Runtime's messages end up in one sentence on the screen. */
final class OneLine {
    private static final int LONGEST = 200;

    private OneLine() { }

    static String of(Exception e) {
        String line = String.valueOf(e.getMessage()).replaceAll("\\s+", " ").trim();
        return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + "…";
    }
}
