package org.squeezebert;

import static java.util.Objects.requireNonNull;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.CopiedZip;
import org.squeezebert.internal.FolderSource;
import org.squeezebert.internal.Manifest;
import org.squeezebert.internal.ZipSource;

/** Where a bundle comes from. Nothing of it is trusted: every file is compared with its digest while it is copied. */
public final class BundleFiles {
    /** Opens a file of a bundle by its path there. */
    public interface Opener {
        InputStream open(String path) throws IOException;
    }

    /** Makes the reader when it is needed, and as often. */
    private interface Sources {
        BundleSource open();
    }

    private final Sources sources;

    private BundleFiles(Sources sources) {
        this.sources = sources;
    }

    /** A folder: what adb pushed, or where Play put an AI pack that is downloaded (AssetPackLocation's assetsPath). */
    public static BundleFiles folder(Path folder) {
        requireNonNull(folder, "folder");
        return new BundleFiles(() -> new FolderSource(folder));
    }

    /** A zip, with or without one folder around everything. */
    public static BundleFiles zip(Path zip) {
        requireNonNull(zip, "zip");
        return new BundleFiles(() -> new ZipSource(zip.toFile(), String.valueOf(zip.getFileName())));
    }

    /**
     * A zip that can only be read from its beginning, such as a document that the user chose. It is copied to {@code scratch}, which is
     * deleted again, and read once: install it, or offer it, one time.
     */
    public static BundleFiles zip(InputStream zip, Path scratch) {
        requireNonNull(zip, "zip");
        requireNonNull(scratch, "scratch");
        return new BundleFiles(() -> new CopiedZip(zip, scratch));
    }

    /**
     * Whatever opens files by their path. The assets of an Android app, where an AI pack that comes with the installation is, too:
     * {@code BundleFiles.from(path -> context.getAssets().open("my-bundle/" + path))}.
     */
    public static BundleFiles from(Opener opener) {
        requireNonNull(opener, "opener");
        return new BundleFiles(() -> new BundleSource() {
            /** Nobody can list them, and listed files alone are read. */
            @Override
            public void requireExactly(Manifest manifest) { }

            @Override
            public InputStream open(String path) throws IOException {
                return opener.open(path);
            }
        });
    }

    BundleSource open() {
        return sources.open();
    }
}
