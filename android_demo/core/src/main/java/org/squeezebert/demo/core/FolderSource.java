package org.squeezebert.demo.core;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A bundle folder that something else wrote, such as adb. */
public final class FolderSource implements BundleSource {
    private final Path folder;

    public FolderSource(Path folder) {
        this.folder = folder;
    }

    /** Opening by path takes only what the manifest lists; other files stay where they are. */
    @Override
    public void requireExactly(Manifest manifest) { }

    @Override
    public InputStream open(String path) throws IOException {
        Path file = folder.resolve(path);
        if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) throw new NoSuchFileException(path);
        return Files.newInputStream(file);
    }
}
