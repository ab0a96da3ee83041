package org.squeezebert.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.squeezebert.SqueezeBertException;

/** A zip that comes as a stream: its directory is at the end, so it is read from a copy. */
public final class CopiedZip implements BundleSource {
    /** No bundle is larger; a stream that never ends must not fill the phone. */
    private static final long MAX_BYTES = 4L << 30;
    private static final String NAME = "zip";

    private final Path copy;
    private final ZipSource zip;

    /** Copies {@code stream}, which it does not close, to {@code copy}. */
    public CopiedZip(InputStream stream, Path copy) {
        this.copy = copy;
        ZipSource opened = null;
        try (OutputStream out = Files.newOutputStream(copy)) {
            if (Digests.copy(stream, out, MAX_BYTES).bytes > MAX_BYTES) {
                throw new SqueezeBertException(SqueezeBertException.Kind.INPUT, NAME, "is too large", "over 4 GB", "a bundle", "choose a zipped bundle");
            }
            opened = new ZipSource(copy.toFile(), NAME);
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, NAME, "cannot be copied (" + e.getMessage() + ")", "free storage and try again", e);
        } finally {
            if (opened == null) copy.toFile().delete();
        }
        zip = opened;
    }

    @Override
    public void requireExactly(Manifest manifest) {
        zip.requireExactly(manifest);
    }

    @Override
    public InputStream open(String path) throws IOException {
        return zip.open(path);
    }

    @Override
    public void close() throws IOException {
        zip.close();
        Files.deleteIfExists(copy);
    }
}
