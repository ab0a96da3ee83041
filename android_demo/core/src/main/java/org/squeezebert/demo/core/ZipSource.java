package org.squeezebert.demo.core;

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Enumeration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/** A zipped bundle, its files at the top or inside one folder. Every entry is looked at before any is unpacked. */
public final class ZipSource implements BundleSource {
    private static final int MAX_ENTRIES = 1000;
    /** Weights and vocabularies compress to a half at best. */
    private static final int MAX_RATIO = 1000;
    private static final String FIX = "zip the bundle folder again";

    private final ZipFile zip;
    private final String name;
    private final Map<String, ZipEntry> entries = new HashMap<>();

    /** Opens {@code file}; {@code name} is what messages call it. */
    public ZipSource(File file, String name) throws DemoException {
        this.name = name;
        try {
            zip = new ZipFile(file);
        } catch (IOException | IllegalArgumentException e) {
            throw new DemoException(DemoException.Kind.INPUT, name, "is not a zip file (" + e.getMessage() + ")", "choose a zipped bundle", e);
        }
        try {
            index();
        } catch (DemoException | RuntimeException e) {
            close();
            throw e;
        }
    }

    private void index() throws DemoException {
        if (zip.size() > MAX_ENTRIES) throw refused("has too many entries", zip.size(), "at most " + MAX_ENTRIES);
        List<ZipEntry> files = new ArrayList<>();
        Set<String> names = new HashSet<>();
        for (Enumeration<? extends ZipEntry> all = zip.entries(); all.hasMoreElements();) {
            ZipEntry entry = all.nextElement();
            String path = entry.getName();
            BundlePaths.checkOne(entry.isDirectory() ? path.substring(0, path.length() - 1) : path);
            if (!names.add(path)) throw refused("has an entry twice", path, "once");
            if (entry.isDirectory()) continue;
            if (entry.getSize() > MAX_RATIO * Math.max(1, entry.getCompressedSize())) {
                throw refused("has an entry that grows too much", path, "at most " + MAX_RATIO + " times");
            }
            files.add(entry);
        }
        String prefix = prefix(files);
        for (ZipEntry entry : files) {
            if (!entry.getName().startsWith(prefix)) throw refused("has an entry outside its one folder", entry.getName(), prefix);
            entries.put(entry.getName().substring(prefix.length()), entry);
        }
    }

    /** The folder that holds bundle.json: none, or the one at the top. */
    private String prefix(List<ZipEntry> files) throws DemoException {
        for (ZipEntry entry : files) {
            String path = entry.getName();
            int slash = path.indexOf('/');
            if (path.equals(Manifest.NAME)) return "";
            if (slash > 0 && path.substring(slash + 1).equals(Manifest.NAME)) return path.substring(0, slash + 1);
        }
        throw new DemoException(DemoException.Kind.INPUT, name, "holds no " + Manifest.NAME, "choose a zipped bundle");
    }

    @Override
    public void requireExactly(Manifest manifest) throws DemoException {
        Set<String> extra = new HashSet<>(entries.keySet());
        extra.remove(Manifest.NAME);
        extra.remove(Bundle.SIGNATURE_NAME);
        for (FileEntry entry : manifest.everyFile()) extra.remove(entry.path);
        if (!extra.isEmpty()) throw refused("holds files that the manifest does not list", extra.iterator().next(), "none");
    }

    @Override
    public InputStream open(String path) throws IOException, DemoException {
        ZipEntry entry = entries.get(path);
        if (entry == null) throw new FileNotFoundException(path);
        try {
            return zip.getInputStream(entry);
        } catch (ZipException e) {
            throw new DemoException(DemoException.Kind.INPUT, name, "is damaged at " + path, FIX, e);
        }
    }

    @Override
    public void close() {
        try {
            zip.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private DemoException refused(String what, Object found, Object expected) {
        return new DemoException(DemoException.Kind.INPUT, name, what, found, expected, FIX);
    }
}
