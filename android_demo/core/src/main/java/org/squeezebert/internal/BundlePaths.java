package org.squeezebert.internal;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.squeezebert.SqueezeBertException;

/** The rules for paths inside a bundle, as the Python side has them: the same file on every phone and desktop, and never outside the folder. */
final class BundlePaths {
    private static final int MAX_BYTES = 255;
    /** ASCII alone, since lower case, normal forms and looks of other letters depend on the version of Unicode; no sign that a shell reads. */
    private static final Pattern PART = Pattern.compile("[A-Za-z0-9._][A-Za-z0-9._+@ -]*");
    private static final Pattern RESERVED = Pattern.compile("(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]) *(\\..*)?");

    private BundlePaths() { }

    /** Refuses a path that is not portable, and two that are one on a file system without case, or a file and a folder. */
    static void check(List<String> files, List<String> folders) {
        Map<String, String> seen = new HashMap<>();
        for (String path : files) {
            checkOne(path);
            noteFolders(path, seen);
            note(path, seen);
        }
        for (String path : folders) {
            checkOne(path);
            noteFolders(path + "/", seen);
        }
    }

    private static void noteFolders(String path, Map<String, String> seen) {
        for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) note(path.substring(0, slash + 1), seen);
    }

    /** A folder, which ends in a slash, may be named as often as one likes. */
    private static void note(String path, Map<String, String> seen) {
        boolean folder = path.endsWith("/");
        String name = folder ? path.substring(0, path.length() - 1) : path;
        String twin = seen.put(name.toLowerCase(Locale.ROOT), path);
        if (twin == null || folder && twin.equals(path)) return;
        if (twin.equals(path)) throw refused(path, "is listed twice");
        boolean same = twin.equals(name) || twin.equals(name + "/");
        throw refused(path, same ? "is a file and a folder" : "differs from \"" + twin + "\" only in case");
    }

    private static void checkOne(String path) {
        if (path.startsWith("/")) throw refused(path, "is absolute");
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) throw refused(path, "has the part \"" + part + "\"");
            if (!PART.matcher(part).matches()) throw refused(path, "has a non-portable character");
            if (part.endsWith(".") || part.endsWith(" ") || RESERVED.matcher(part).matches()) {
                throw refused(path, "has the part \"" + part + "\", which Windows cannot store");
            }
        }
        if (path.length() > MAX_BYTES) throw refused(path, "is too long");
    }

    private static SqueezeBertException refused(String path, String what) {
        return new SqueezeBertException(SqueezeBertException.Kind.INPUT, "path \"" + printable(path) + "\"", what, "do not use this bundle; get it from its maker");
    }

    private static String printable(String path) {
        String ascii = path.replaceAll("[^ -~]", "?");
        return ascii.length() <= 100 ? ascii : ascii.substring(0, 100) + "…";
    }
}
