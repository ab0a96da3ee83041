package org.squeezebert.internal;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.ZipException;

/**
 * The entries of a plain zip: its directory is its end, nothing overlaps, names have one meaning. {@link java.util.zip.ZipFile} takes more,
 * of which some changes with the version of Android, and does not tell links from files.
 */
final class ZipDirectory {
    private static final int MAX_ENTRIES = 1000;
    private static final int MAX_BYTES = 1 << 20;
    private static final int END_BYTES = 22;
    private static final int LOCATOR_BYTES = 20;
    private static final int RECORD_BYTES = 46;
    private static final int LOCAL_BYTES = 30;
    /** 6.3, the last of the format that readers have; Python's refuses later ones. */
    private static final int MAX_VERSION = 63;
    private static final int END = 0x06054b50;
    private static final int LOCATOR = 0x07064b50;
    private static final int RECORD = 0x02014b50;
    private static final int LOCAL = 0x04034b50;
    /** Encrypted, patched or strongly encrypted. */
    private static final int UNREADABLE_FLAGS = 0x61;
    private static final int UTF_8_FLAG = 0x800;
    /** The extra fields that give an entry 64-bit sizes and a second name. */
    private static final int WIDE_FIELD = 1;
    private static final int NAME_FIELD = 0x7075;
    private static final int FILE_TYPE = 0xF000;
    private static final int FOLDER = 0x4000;
    private static final int PLAIN_FILE = 0x8000;

    private ZipDirectory() { }

    /** One file or folder of the zip. */
    static final class Entry {
        final String name;
        final boolean deflated;
        final long crc;
        final long packed;
        final long bytes;
        /** Where its local header starts. */
        private final long header;
        private final byte[] rawName;

        private Entry(ByteBuffer record, byte[] rawName) throws ZipException {
            this.rawName = rawName;
            name = decoded(rawName, record.getShort(8));
            deflated = record.getShort(10) != 0;
            crc = unsigned(record, 16);
            packed = unsigned(record, 20);
            bytes = unsigned(record, 24);
            header = unsigned(record, 42);
        }

        boolean isFolder() {
            return name.endsWith("/");
        }
    }

    /** The entries in the order of the directory. */
    static List<Entry> read(RandomAccessFile file) throws IOException {
        long size = file.length();
        if (size < LOCAL_BYTES || bytes(file, 0, 4).getInt(0) != LOCAL) throw new ZipException("it does not start as one");
        int tailBytes = (int) Math.min(size, END_BYTES + 0xFFFF);
        ByteBuffer tail = bytes(file, size - tailBytes, tailBytes);
        int at = tailBytes - 4;
        while (at >= 0 && tail.getInt(at) != END) at--;
        if (at < 0 || at + END_BYTES > tailBytes) throw new ZipException("it is cut off");
        int count = tail.getShort(at + 10) & 0xFFFF;
        long length = unsigned(tail, at + 12);
        if (count > MAX_ENTRIES || length > MAX_BYTES) throw new ZipException("it has too many entries");
        long start = unsigned(tail, at + 16);
        boolean ends = start + length == size - tailBytes + at && at + END_BYTES + (tail.getShort(at + 20) & 0xFFFF) == tailBytes;
        boolean wide = at >= LOCATOR_BYTES && tail.getInt(at - LOCATOR_BYTES) == LOCATOR;
        boolean oneDisk = tail.getInt(at + 4) == 0 && (tail.getShort(at + 8) & 0xFFFF) == count;
        if (!ends || wide || !oneDisk) throw new ZipException("its directory is not at its end");
        List<Entry> entries = entries(bytes(file, start, (int) length));
        if (entries.size() != count) throw new ZipException("it has another number of entries than it says");
        requireApart(file, entries, start);
        return entries;
    }

    private static List<Entry> entries(ByteBuffer directory) throws ZipException {
        List<Entry> entries = new ArrayList<>();
        for (int at = 0; at < directory.limit();) {
            if (at + RECORD_BYTES > directory.limit() || directory.getInt(at) != RECORD) throw new ZipException("its directory is damaged");
            int name = directory.getShort(at + 28) & 0xFFFF;
            int extra = directory.getShort(at + 30) & 0xFFFF;
            int next = at + RECORD_BYTES + name + extra + (directory.getShort(at + 32) & 0xFFFF);
            if (next > directory.limit()) throw new ZipException("its directory is cut off");
            ByteBuffer record = slice(directory, at, RECORD_BYTES);
            byte[] rawName = new byte[name];
            slice(directory, at + RECORD_BYTES, name).get(rawName);
            Entry entry = new Entry(record, rawName);
            requirePlain(entry, record, slice(directory, at + RECORD_BYTES + name, extra));
            entries.add(entry);
            at = next;
        }
        return entries;
    }

    private static void requirePlain(Entry entry, ByteBuffer record, ByteBuffer extra) throws ZipException {
        int kind = record.getShort(40) & FILE_TYPE;
        if (kind != 0 && kind != (entry.isFolder() ? FOLDER : PLAIN_FILE)) throw new ZipException(entry.name + " is a link or a device");
        if ((record.getShort(8) & UNREADABLE_FLAGS) != 0) throw new ZipException(entry.name + " is encrypted");
        if ((record.get(6) & 0xFF) > MAX_VERSION) throw new ZipException(entry.name + " needs a later reader");
        int method = record.getShort(10) & 0xFFFF;
        if (method != 0 && method != 8) throw new ZipException(entry.name + " is neither stored nor deflated");
        if (entry.name.isEmpty() || entry.name.indexOf(0) >= 0) throw new ZipException("a name is ambiguous");
        if (!entry.deflated && entry.packed != entry.bytes) throw new ZipException(entry.name + " has two sizes");
        while (extra.hasRemaining()) {
            int id = extra.remaining() < 4 ? -1 : extra.getShort() & 0xFFFF;
            int length = id < 0 ? 0 : extra.getShort() & 0xFFFF;
            if (id < 0 || id == WIDE_FIELD || id == NAME_FIELD || length > extra.remaining()) {
                throw new ZipException(entry.name + " has an ambiguous name or size");
            }
            extra.position(extra.position() + length);
        }
    }

    /** No byte belongs to two files, or few bytes could unpack to many; {@code limit} is where the directory starts. */
    private static void requireApart(RandomAccessFile file, List<Entry> entries, long limit) throws IOException {
        List<Entry> sorted = new ArrayList<>(entries);
        sorted.removeIf(Entry::isFolder);
        sorted.sort((one, other) -> Long.compare(other.header, one.header));
        for (Entry entry : sorted) {
            if (data(file, entry) + entry.packed > limit) throw new ZipException("entries overlap");
            limit = entry.header;
        }
    }

    /** The place of an entry's bytes, after its local header, which has to give the name that the directory gives. */
    static long data(RandomAccessFile file, Entry entry) throws IOException {
        ByteBuffer local = bytes(file, entry.header, LOCAL_BYTES);
        int name = local.getShort(26) & 0xFFFF;
        boolean same = local.getInt(0) == LOCAL && name == entry.rawName.length
            && Arrays.equals(bytes(file, entry.header + LOCAL_BYTES, name).array(), entry.rawName);
        if (!same) throw new ZipException(entry.name + " has another name in its place");
        return entry.header + LOCAL_BYTES + name + (local.getShort(28) & 0xFFFF);
    }

    /** Names without the flag are in a code page that nobody states; their signs beyond ASCII stand for themselves. */
    private static String decoded(byte[] name, int flags) throws ZipException {
        if ((flags & UTF_8_FLAG) == 0) return new String(name, StandardCharsets.ISO_8859_1);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(name)).toString();
        } catch (CharacterCodingException e) {
            throw new ZipException("a name is not UTF-8");
        }
    }

    private static ByteBuffer bytes(RandomAccessFile file, long at, int count) throws IOException {
        byte[] bytes = new byte[count];
        file.seek(at);
        file.readFully(bytes);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static ByteBuffer slice(ByteBuffer buffer, int at, int count) {
        ByteBuffer part = buffer.duplicate();
        part.position(at).limit(at + count);
        return part.slice().order(ByteOrder.LITTLE_ENDIAN);
    }

    private static long unsigned(ByteBuffer buffer, int at) {
        return buffer.getInt(at) & 0xFFFFFFFFL;
    }
}
