package org.squeezebert.demo.core;

import java.text.Normalizer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The rules for paths inside a bundle: what could leave the folder, or mean two things on two file systems, is refused. */
final class BundlePaths {
    private static final String FORBIDDEN = "\\:*?\"<>|";
    private static final String RESERVED = "(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\\..*)?";

    private BundlePaths() { }

    /** Refuses paths that are unsafe by themselves, double, or equal but for case. */
    static void check(List<String> paths) throws DemoException {
        Map<String, String> seen = new HashMap<>();
        Set<String> folders = new HashSet<>();
        seen.put(Manifest.NAME, Manifest.NAME);
        for (String path : paths) {
            checkOne(path);
            String twin = seen.put(path.toLowerCase(Locale.ROOT), path);
            if (twin != null) throw refused(path, twin.equals(path) ? "is listed twice" : "differs from \"" + twin + "\" only in case");
            for (int slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) folders.add(path.substring(0, slash));
        }
        for (String folder : folders) {
            if (seen.containsKey(folder.toLowerCase(Locale.ROOT))) throw refused(folder, "is a file and a folder");
        }
    }

    static void checkOne(String path) throws DemoException {
        if (path.startsWith("/")) throw refused(path, "is absolute");
        if (path.codePoints().anyMatch(c -> c < 0x20 || c == 0x7f || c >= 0xD800 && c <= 0xDFFF || FORBIDDEN.indexOf(c) >= 0)) {
            throw refused(path, "has a non-portable character");
        }
        if (!Normalizer.isNormalized(path, Normalizer.Form.NFC)) throw refused(path, "is not in normalization form C");
        for (String part : path.split("/", -1)) {
            if (part.isEmpty() || part.equals(".") || part.equals("..")) throw refused(path, "has the part \"" + part + "\"");
            if (part.endsWith(".") || part.endsWith(" ") || part.matches(RESERVED)) {
                throw refused(path, "has the part \"" + part + "\", which Windows cannot store");
            }
        }
    }

    private static DemoException refused(String path, String what) {
        return new DemoException(DemoException.Kind.INPUT, "path \"" + printable(path) + "\"", what, "do not use this bundle; get it from its maker");
    }

    private static String printable(String path) {
        return path.replaceAll("\\p{Cntrl}", "?");
    }
}
