package org.squeezebert.internal;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.squeezebert.SqueezeBertException;

/** The app's private folder of bundles, one folder each, named by digest. A bundle is there whole or not at all. */
public final class BundleStore {
    /** Folders with this prefix are copies that never finished. */
    private static final String UNFINISHED = ".unfinished-";
    /** Room that the system needs to stay usable while we copy. */
    private static final long SPARE_BYTES = 64L << 20;
    /** With a digest: the file that says in which state of its files a bundle was last verified. */
    private static final String VERIFIED = "verified-";

    private final Path root;
    private boolean swept;

    /** The store in {@code root}; nothing is read or written before its first use, which an app's main thread must not wait for. */
    public BundleStore(Path root) {
        this.root = root;
    }

    /** The folder, without what a killed process left. */
    private synchronized Path root() {
        if (swept) return root;
        try {
            Files.createDirectories(root);
            for (Path folder : folders()) {
                if (folder.getFileName().toString().startsWith(UNFINISHED)) delete(folder);
            }
        } catch (IOException e) {
            throw environment("cannot be prepared", e);
        }
        swept = true;
        return root;
    }

    /** Installed bundles by digest, unverified: {@link #open} checks them. */
    public List<String> digests() {
        List<String> digests = new ArrayList<>();
        root();
        try {
            for (Path folder : folders()) {
                String name = folder.getFileName().toString();
                if (name.matches("[0-9a-f]{64}")) digests.add(name);
            }
        } catch (IOException e) {
            throw environment("cannot be listed", e);
        }
        digests.sort(null);
        return digests;
    }

    /** The installed bundle {@code digest}; its bytes are compared again only where a file was written since the last time. */
    public Bundle open(String digest) {
        Bundle bundle = Bundle.listed(root().resolve(digest));
        requireDigest(bundle.manifest, digest);
        Path known = root.resolve(VERIFIED + digest);
        try {
            byte[] stamp = bundle.stamp().getBytes(StandardCharsets.UTF_8);
            if (Files.exists(known) && Arrays.equals(Files.readAllBytes(known), stamp)) return bundle;
            bundle.verify();
            Files.write(known, stamp);
        } catch (IOException e) {
            throw environment("cannot open the bundle", e);
        }
        return bundle;
    }

    /** The manifest of an installed bundle, whose other files are not read. */
    public Manifest manifest(String digest) {
        return requireDigest(Manifest.read(new FolderSource(root().resolve(digest))), digest);
    }

    private static Manifest requireDigest(Manifest manifest, String digest) {
        if (!manifest.digest.equals(digest)) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, Manifest.NAME, "was replaced", manifest.digest, digest, "import the bundle again");
        }
        return manifest;
    }

    /** Copies a bundle in, checking each file while it is copied; returns the digest. Nothing is left where it fails. */
    public String install(BundleSource source) {
        byte[] manifestBytes = Manifest.bytes(source);
        Manifest manifest = Manifest.parse(manifestBytes);
        Path target = root().resolve(manifest.digest);
        try {
            source.requireExactly(manifest);
            requireRoom(manifest.totalBytes());
            Path temporary = Files.createTempDirectory(root, UNFINISHED);
            try {
                Files.write(temporary.resolve(Manifest.NAME), manifestBytes);
                for (FileEntry entry : manifest.everyFile()) copy(source, entry, temporary.resolve(entry.path));
                delete(target); // the same bundle, perhaps damaged since
                Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
                Files.write(root.resolve(VERIFIED + manifest.digest), Bundle.listed(target).stamp().getBytes(StandardCharsets.UTF_8));
            } finally {
                delete(temporary);
            }
            return manifest.digest;
        } catch (IOException e) {
            throw environment("cannot take the bundle", e);
        }
    }

    /** Removes an installed bundle. */
    public void delete(String digest) {
        try {
            delete(root().resolve(digest));
            Files.deleteIfExists(root.resolve(VERIFIED + digest));
        } catch (IOException e) {
            throw environment("cannot delete the bundle", e);
        }
    }

    private static void copy(BundleSource source, FileEntry entry, Path target) throws IOException {
        Files.createDirectories(target.getParent());
        try (InputStream in = source.open(entry.path); OutputStream out = Files.newOutputStream(target)) {
            Bundle.requireSame(entry, Digests.copy(in, out, entry.bytes));
        } catch (FileNotFoundException | NoSuchFileException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, entry.path, "is missing from the bundle", "get the whole bundle", e);
        } catch (java.util.zip.ZipException | java.io.EOFException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, entry.path, "is damaged in the zip", "zip the bundle again", e);
        }
    }

    /** Refuses what would not leave the system the room that it needs. */
    public void requireRoom(long bytes) throws IOException {
        long room = Files.getFileStore(root()).getUsableSpace() - SPARE_BYTES;
        if (room < bytes) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "storage", "is too full for this bundle",
                Math.max(0, room >> 20) + " MB free", (bytes >> 20) + " MB", "delete a bundle or free storage");
        }
    }

    private List<Path> folders() throws IOException {
        List<Path> folders = new ArrayList<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(root)) {
            for (Path entry : entries) folders.add(entry);
        }
        return folders;
    }

    private static void delete(Path path) throws IOException {
        if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(path)) {
                for (Path entry : entries) delete(entry);
            }
        }
        Files.deleteIfExists(path);
    }

    private SqueezeBertException environment(String what, IOException e) {
        return new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "storage", what + " (" + e + ")", "free storage and try again", e);
    }
}
