package org.squeezebert;

import static java.util.Objects.requireNonNull;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.BundleStore;

/** A folder of the app's own with bundles in it. Each is there whole, with every byte compared with its digest, or not at all. */
public final class Bundles {
    private final Path root;
    private final BundleStore store;

    private Bundles(Path root) {
        this.root = root;
        store = new BundleStore(root);
    }

    /** Those in {@code folder}, which is made at the first use and belongs to the app alone, as what is below Android's getFilesDir() does. */
    public static Bundles in(Path folder) {
        return new Bundles(requireNonNull(folder, "folder"));
    }

    /**
     * Copies a bundle in, and returns the folder to open. The same bundle again is copied again, which mends a damaged one.
     *
     * @throws SqueezeBertException where it is no bundle, is damaged, or has no room; nothing is left of it then
     */
    public Path install(BundleFiles files) {
        try (BundleSource source = files.open()) {
            return root.resolve(store.install(source));
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "bundle", "cannot be closed (" + e.getMessage() + ")", "try again", e);
        }
    }

    /** The folders of all bundles. */
    public List<Path> folders() {
        List<Path> folders = new ArrayList<>();
        for (String digest : store.digests()) folders.add(root.resolve(digest));
        return Collections.unmodifiableList(folders);
    }

    /** Removes a bundle by its folder; what is open of it must be closed before. */
    public void delete(Path folder) {
        if (!folders().contains(folder)) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, folder.toString(), "is none of these bundles", "take one of folders()");
        }
        store.delete(folder.getFileName().toString());
    }

    /** The versions of the pack {@code name} among them. */
    public Packs packs(String name) {
        return new Packs(root, store, name);
    }
}
