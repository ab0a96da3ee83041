package org.squeezebert.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.HashMap;
import java.util.Map;
import org.squeezebert.SqueezeBertException;

/** A bundle folder that something else wrote, such as adb. */
public final class FolderSource implements BundleSource {
    /** No path of a bundle is longer, so nothing below is a bundle's. */
    private static final int MAX_PREFIX = 255;
    private static final String FIX = "do not use this bundle";

    private final Path folder;

    public FolderSource(Path folder) {
        this.folder = folder;
    }

    @Override
    public void requireExactly(Manifest manifest) throws IOException {
        Map<String, Long> sizes = new HashMap<>();
        list(folder, "", sizes);
        manifest.requireExactly(sizes);
    }

    @Override
    public InputStream open(String path) throws IOException {
        Path file = folder.resolve(path);
        if (Files.isSymbolicLink(file) || isOther(file)) throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, path, "is a link or a device, not a file", FIX);
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) throw new NoSuchFileException(path);
        return Files.newInputStream(file, LinkOption.NOFOLLOW_LINKS);
    }

    private static void list(Path folder, String prefix, Map<String, Long> sizes) throws IOException {
        if (prefix.length() > MAX_PREFIX) throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, prefix, "is nested too deeply", FIX);
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
            for (Path entry : entries) {
                String path = prefix + entry.getFileName();
                if (Files.isDirectory(entry, LinkOption.NOFOLLOW_LINKS)) {
                    list(entry, path + "/", sizes);
                } else if (Files.isSymbolicLink(entry) || isOther(entry)) {
                    throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, path, "is a link or a device, not a file", FIX);
                } else if (hasOtherNames(entry)) {
                    throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, path, "is hard-linked to a file elsewhere", FIX);
                } else {
                    sizes.put(path, Files.size(entry));
                }
            }
        }
    }

    /** True for devices and pipes. */
    private static boolean isOther(Path file) throws IOException {
        return Files.exists(file, LinkOption.NOFOLLOW_LINKS) && Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS).isOther();
    }

    private static boolean hasOtherNames(Path file) throws IOException {
        boolean counted = file.getFileSystem().supportedFileAttributeViews().contains("unix");
        return counted && (Integer) Files.getAttribute(file, "unix:nlink", LinkOption.NOFOLLOW_LINKS) > 1;
    }
}
