package org.squeezebert.demo.core;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** A bundle folder whose every byte was compared with the manifest's digests. */
public final class Bundle {
    /** A signature over the whole folder, which its maker may add; checked on hosts (verify --public-key). */
    static final String SIGNATURE_NAME = "model.sig";
    private static final String FIX = "import the bundle again";
    private static final OutputStream NOWHERE = new OutputStream() {
        @Override
        public void write(int b) { }

        @Override
        public void write(byte[] b, int from, int count) { }
    };

    public final Path folder;
    public final Manifest manifest;
    private WordPieceTokenizer tokenizer;

    private Bundle(Path folder, Manifest manifest) {
        this.folder = folder;
        this.manifest = manifest;
    }

    /** Opens {@code folder} after checking that it holds exactly what the manifest lists. */
    public static Bundle open(Path folder) throws DemoException {
        try {
            Path file = folder.resolve(Manifest.NAME);
            if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
                throw new DemoException(DemoException.Kind.INPUT, file.toString(), "is missing", "choose the folder or zip of a bundle");
            }
            if (Files.size(file) > Manifest.MAX_BYTES) throw new DemoException(DemoException.Kind.INPUT, file.toString(), "is too large", FIX);
            Bundle bundle = new Bundle(folder, Manifest.parse(Files.readAllBytes(file)));
            bundle.requireExactlyTheListedFiles();
            for (FileEntry entry : bundle.manifest.everyFile()) bundle.verified(entry);
            return bundle;
        } catch (IOException e) {
            throw new DemoException(DemoException.Kind.ENVIRONMENT, folder.toString(), "cannot be read (" + e.getMessage() + ")", FIX, e);
        }
    }

    /** The path of a listed file, its bytes compared with its digest now: a runtime must never see others. */
    public Path verified(FileEntry entry) throws DemoException {
        Path file = folder.resolve(entry.path);
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
            throw new DemoException(DemoException.Kind.INTEGRITY, entry.path, "is missing from the bundle", FIX);
        }
        try (InputStream in = Files.newInputStream(file)) {
            requireSame(entry, Digests.copy(in, NOWHERE, entry.bytes));
        } catch (IOException e) {
            throw new DemoException(DemoException.Kind.ENVIRONMENT, entry.path, "cannot be read (" + e.getMessage() + ")", FIX, e);
        }
        return file;
    }

    static void requireSame(FileEntry entry, Digests.Copied copied) throws DemoException {
        if (copied.bytes > entry.bytes) {
            throw new DemoException(DemoException.Kind.INTEGRITY, entry.path, "is longer than the manifest says", "over " + entry.bytes, entry.bytes, FIX);
        }
        if (copied.bytes < entry.bytes) {
            throw new DemoException(DemoException.Kind.INTEGRITY, entry.path, "is cut off", copied.bytes + " bytes", entry.bytes, FIX);
        }
        if (!copied.sha256.equals(entry.sha256)) {
            throw new DemoException(DemoException.Kind.INTEGRITY, entry.path, "SHA-256 mismatch", copied.sha256, entry.sha256, FIX);
        }
    }

    /** The bytes of the listed file {@code path}, verified. */
    public byte[] read(String path) throws DemoException {
        for (FileEntry entry : manifest.everyFile()) {
            if (!entry.path.equals(path)) continue;
            Path file = verified(entry);
            try {
                return Files.readAllBytes(file);
            } catch (IOException e) {
                throw new DemoException(DemoException.Kind.ENVIRONMENT, path, "cannot be read (" + e.getMessage() + ")", FIX, e);
            }
        }
        throw new DemoException(DemoException.Kind.INTEGRITY, Manifest.NAME, "does not list " + path, FIX);
    }

    /** The tokenizer, made at the first call. */
    public synchronized WordPieceTokenizer tokenizer() throws DemoException {
        if (tokenizer == null) tokenizer = new WordPieceTokenizer(Vocabulary.parse(read("vocab.txt")), manifest.tokenizer);
        return tokenizer;
    }

    private void requireExactlyTheListedFiles() throws IOException, DemoException {
        Set<String> listed = new HashSet<>();
        listed.add(Manifest.NAME);
        listed.add(SIGNATURE_NAME);
        for (FileEntry entry : manifest.everyFile()) listed.add(entry.path);
        List<String> found = new ArrayList<>();
        list(folder, "", found);
        for (String path : found) {
            if (!listed.contains(path)) {
                throw new DemoException(DemoException.Kind.INTEGRITY, path, "is in the bundle but not in its manifest", FIX);
            }
        }
    }

    private static void list(Path folder, String prefix, List<String> out) throws IOException, DemoException {
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                String path = prefix + entry.getFileName();
                if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
                    list(entry, path + "/", out);
                } else if (Files.isRegularFile(entry, LinkOption.NOFOLLOW_LINKS)) {
                    out.add(path);
                } else {
                    throw new DemoException(DemoException.Kind.INTEGRITY, path, "is a link or a device, not a file", "do not use this bundle");
                }
            }
        }
    }
}
