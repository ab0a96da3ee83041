package org.squeezebert.internal;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;

/** Where a bundle is imported from: app assets, a zip, a folder that adb pushed. Nothing of it is trusted. */
public interface BundleSource extends Closeable {
    /** Refuses a source that holds anything besides {@code manifest}'s files. */
    void requireExactly(Manifest manifest) throws IOException;

    /** The bytes of a path; FileNotFoundException or NoSuchFileException where it is not there. */
    InputStream open(String path) throws IOException;

    @Override
    default void close() throws IOException { }
}
