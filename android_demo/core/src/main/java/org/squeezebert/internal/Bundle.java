package org.squeezebert.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.squeezebert.SqueezeBertException;

/** A bundle folder whose every byte was compared with the manifest's digests, now or since it was last written. */
public final class Bundle {
    /** A signature over the whole folder, which its maker may add; checked on hosts (verify --public-key). */
    static final String SIGNATURE_NAME = "model.sig";
    static final long MAX_SIGNATURE_BYTES = 1 << 20;
    static final String FIX = "import the bundle again";
    private static final String TOKENIZER_NAME = "tokenizer.json";
    /** Vocabularies and golden texts have up to 1 MB, and objects in memory many times the size of their text. */
    private static final long MAX_READ_BYTES = 4 << 20;
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
    public static Bundle open(Path folder) {
        Bundle bundle = listed(folder);
        bundle.verify();
        return bundle;
    }

    /** {@code folder} with the files and the sizes that the manifest lists; their bytes are compared by {@link #verify} or when they are used. */
    public static Bundle listed(Path folder) {
        try {
            Bundle bundle = new Bundle(folder, Manifest.read(new FolderSource(folder)));
            new FolderSource(folder).requireExactly(bundle.manifest);
            return bundle;
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, folder.toString(), "cannot be read (" + e.getMessage() + ")", FIX, e);
        }
    }

    /** Compares every byte with the manifest's digests. */
    void verify() {
        for (FileEntry entry : manifest.everyFile()) copy(entry, NOWHERE);
    }

    /** Another text where a file was written since, as far as the file system tells. */
    String stamp() throws IOException {
        StringBuilder stamp = new StringBuilder();
        for (FileEntry entry : manifest.everyFile()) {
            BasicFileAttributes now = Files.readAttributes(folder.resolve(entry.path), BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            long written = now.lastModifiedTime().to(TimeUnit.NANOSECONDS);
            stamp.append(entry.path).append(' ').append(now.size()).append(' ').append(written).append(' ').append(now.fileKey()).append('\n');
        }
        return stamp.toString();
    }

    /**
     * The path of a listed file, its bytes compared with its digest now: a runtime must never see others. It opens the path itself,
     * so the folder has to be one that nobody else writes, as a {@link BundleStore}'s is.
     */
    public Path verified(FileEntry entry) {
        copy(entry, NOWHERE);
        return folder.resolve(entry.path);
    }

    static void requireSame(FileEntry entry, Digests.Copied copied) {
        requireSize(entry, copied.bytes);
        if (!copied.sha256.equals(entry.sha256)) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "SHA-256 mismatch", copied.sha256, entry.sha256, FIX);
        }
    }

    static void requireSize(FileEntry entry, long bytes) {
        if (bytes > entry.bytes) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "is longer than the manifest says", "over " + entry.bytes, entry.bytes, FIX);
        }
        if (bytes < entry.bytes) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "is cut off", bytes + " bytes", entry.bytes, FIX);
        }
    }

    /** The bytes of the listed file {@code path}: those that were compared with its digest, whatever happens to the file. */
    public byte[] read(String path) {
        for (FileEntry entry : manifest.everyFile()) {
            if (!entry.path.equals(path)) continue;
            if (entry.bytes > MAX_READ_BYTES) throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, path, "is too large", entry.bytes, "up to " + MAX_READ_BYTES, FIX);
            ByteArrayOutputStream out = new ByteArrayOutputStream((int) entry.bytes);
            copy(entry, out);
            return out.toByteArray();
        }
        throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, Manifest.NAME, "does not list " + path, FIX);
    }

    private void copy(FileEntry entry, OutputStream out) {
        try (InputStream in = new FolderSource(folder).open(entry.path)) {
            requireSame(entry, Digests.copy(in, out, entry.bytes));
        } catch (NoSuchFileException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "is missing from the bundle", FIX, e);
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, entry.path, "cannot be read (" + e.getMessage() + ")", FIX, e);
        }
    }

    /** The tokenizer, made at the first call. */
    public synchronized WordPieceTokenizer tokenizer() {
        if (tokenizer == null) tokenizer = new WordPieceTokenizer(Vocabulary.parse(read("vocab.txt")), manifest.tokenizer, addedTokens());
        return tokenizer;
    }

    /** What stands for a word to be guessed, empty where the tokenizer has no such token. */
    public String mask() {
        return manifest.tokenizer.mask == TokenizerSpec.NONE ? "" : tokenizer().vocabulary().token(manifest.tokenizer.mask);
    }

    /** What is found in a text before WordPiece runs: as the manifest says or, of schema 1, as the host's reader finds it in tokenizer.json. */
    private List<AddedToken> addedTokens() {
        boolean isListed = manifest.files.stream().anyMatch(entry -> entry.path.equals(TOKENIZER_NAME));
        if (!manifest.tokenizer.added.isEmpty() || !isListed) return manifest.tokenizer.added;
        List<AddedToken> added = new ArrayList<>();
        JsonValue json = Json.object(read(TOKENIZER_NAME), TOKENIZER_NAME);
        try {
            for (JsonValue item : json.get("added_tokens").items()) added.add(new AddedToken(item));
        } catch (JsonException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, TOKENIZER_NAME, "is not a tokenizer: " + e.getMessage(), FIX, e);
        }
        added.sort(Comparator.comparingInt(token -> token.id));
        return added;
    }
}
