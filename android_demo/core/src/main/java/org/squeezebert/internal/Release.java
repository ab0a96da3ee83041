package org.squeezebert.internal;

/** The name and version of a pack, ordered as semantic versions are; pre-releases come before their release. */
public final class Release {
    private static final String NAME = "[A-Za-z][A-Za-z0-9_]{0,63}";
    private static final String NUMBER = "(0|[1-9][0-9]{0,8})";
    private static final String IDENTIFIER = "(" + NUMBER + "|[0-9]*[A-Za-z-][0-9A-Za-z-]*)";
    private static final String VERSION = "(?=.{5,64}$)" + NUMBER + "\\." + NUMBER + "\\." + NUMBER + "(-" + IDENTIFIER + "(\\." + IDENTIFIER + ")*)?";

    public final String name;
    public final String version;

    Release(JsonValue json) throws JsonException {
        json.allowOnly("name", "version", "update");
        name = Manifest.matching(json.get("name"), NAME);
        version = Manifest.matching(json.get("version"), VERSION);
        if (json.has("update")) Artifact.oneOf(json.get("update"), "newest-that-passes");
    }

    /** Negative where {@code a} is the older version, zero where both are equal: the precedence of semver.org, 11. */
    public static int compare(String a, String b) {
        String[] left = a.split("-", 2);
        String[] right = b.split("-", 2);
        int order = compareParts(left[0].split("\\."), right[0].split("\\."));
        if (order != 0) return order;
        if (left.length != right.length) return right.length - left.length;
        return left.length == 1 ? 0 : compareParts(left[1].split("\\."), right[1].split("\\."));
    }

    private static int compareParts(String[] left, String[] right) {
        for (int i = 0; i < Math.min(left.length, right.length); i++) {
            boolean isNumber = left[i].matches(NUMBER);
            if (isNumber != right[i].matches(NUMBER)) return isNumber ? -1 : 1;
            int order = isNumber ? Integer.compare(Integer.parseInt(left[i]), Integer.parseInt(right[i])) : left[i].compareTo(right[i]);
            if (order != 0) return order;
        }
        return Integer.compare(left.length, right.length);
    }
}
