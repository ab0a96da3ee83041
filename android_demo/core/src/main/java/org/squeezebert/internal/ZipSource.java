package org.squeezebert.internal;

import java.io.EOFException;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;
import org.squeezebert.SqueezeBertException;

/** A zipped bundle, its files at the top or inside one folder. Every entry is looked at before any is unpacked. */
public final class ZipSource implements BundleSource {
    /** As on the Python side: vocabularies and JSON shrink to a tenth, weights to no less than a half. Small entries can do no harm. */
    private static final int MAX_RATIO = 100;
    private static final int SMALL_BYTES = 1 << 20;
    private static final Pattern MANIFEST = Pattern.compile("(?!\\.\\.?/)([^/]+/)?" + Pattern.quote(Manifest.NAME));
    private static final String FIX = "zip the bundle folder again";

    private final RandomAccessFile zip;
    private final String name;
    private final Map<String, ZipDirectory.Entry> entries = new HashMap<>();

    /** Opens {@code file}; {@code name} is what messages call it. */
    public ZipSource(File file, String name) {
        this.name = name;
        try {
            zip = new RandomAccessFile(file, "r");
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, "cannot be read (" + e.getMessage() + ")", "choose a zipped bundle", e);
        }
        try {
            index(ZipDirectory.read(zip));
        } catch (IOException e) {
            close();
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, "is not a plain zip file (" + e.getMessage() + ")", "choose a zipped bundle", e);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private void index(List<ZipDirectory.Entry> all) {
        String prefix = prefix(all);
        List<String> folders = new ArrayList<>();
        for (ZipDirectory.Entry entry : all) {
            String path = entry.name.substring(prefix.length());
            if (path.isEmpty()) continue; // the folder itself
            if (entry.bytes > SMALL_BYTES && entry.bytes > MAX_RATIO * entry.packed) {
                throw refused("has an entry that grows too much", path, "at most " + MAX_RATIO + " times");
            }
            if (entry.isFolder()) {
                folders.add(path.substring(0, path.length() - 1));
            } else if (entries.put(path, entry) != null) {
                throw refused("has an entry twice", path, "once");
            }
        }
        BundlePaths.check(new ArrayList<>(entries.keySet()), folders);
    }

    /** The folder that holds everything: none, or the one at the top, whatever its name. */
    private String prefix(List<ZipDirectory.Entry> all) {
        for (ZipDirectory.Entry entry : all) {
            if (!MANIFEST.matcher(entry.name).matches()) continue;
            String prefix = entry.name.substring(0, entry.name.indexOf('/') + 1);
            if (all.stream().allMatch(other -> other.name.startsWith(prefix))) return prefix;
        }
        throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, "holds no " + Manifest.NAME + " beside or above everything else", "choose a zipped bundle");
    }

    @Override
    public void requireExactly(Manifest manifest) {
        Map<String, Long> sizes = new HashMap<>();
        for (Map.Entry<String, ZipDirectory.Entry> entry : entries.entrySet()) sizes.put(entry.getKey(), entry.getValue().bytes);
        manifest.requireExactly(sizes);
    }

    @Override
    public InputStream open(String path) throws IOException {
        ZipDirectory.Entry entry = entries.get(path);
        if (entry == null) throw new FileNotFoundException(path);
        InputStream stored = new Stored(zip, ZipDirectory.data(zip, entry), entry.packed);
        return new Checked(entry.deflated ? new Inflated(stored) : stored, entry);
    }

    @Override
    public void close() {
        try {
            zip.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private SqueezeBertException refused(String what, Object found, Object expected) {
        return new SqueezeBertException(SqueezeBertException.Kind.INPUT, name, what, found, expected, FIX);
    }

    /** A part of the file. */
    private static final class Stored extends InputStream {
        private final RandomAccessFile zip;
        private long at;
        private long left;

        Stored(RandomAccessFile zip, long at, long count) {
            this.zip = zip;
            this.at = at;
            left = count;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] buffer, int from, int count) throws IOException {
            if (left == 0) return -1;
            zip.seek(at);
            int n = zip.read(buffer, from, (int) Math.min(count, left));
            if (n < 0) throw new EOFException("the zip ends early");
            at += n;
            left -= n;
            return n;
        }
    }

    /** Deflated bytes without zlib's own header. */
    private static final class Inflated extends InflaterInputStream {
        Inflated(InputStream in) {
            super(in, new Inflater(true));
        }

        @Override
        public void close() throws IOException {
            super.close();
            inf.end(); // it ends no inflater that it was given
        }
    }

    /** The bytes of an entry, as many as its directory says and with its checksum. */
    private static final class Checked extends FilterInputStream {
        private final ZipDirectory.Entry entry;
        private final CRC32 crc = new CRC32();
        private long count;

        Checked(InputStream in, ZipDirectory.Entry entry) {
            super(in);
            this.entry = entry;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] buffer, int from, int most) throws IOException {
            int n = in.read(buffer, from, most);
            if (n > 0) {
                crc.update(buffer, from, n);
                count += n;
            }
            boolean wrong = n < 0 ? count != entry.bytes || crc.getValue() != entry.crc : count > entry.bytes;
            if (wrong) throw new ZipException(entry.name + " does not match its checksum");
            return n;
        }
    }
}
