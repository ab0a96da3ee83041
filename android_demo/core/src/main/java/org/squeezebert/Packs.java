package org.squeezebert;

import java.io.IOException;
import java.nio.file.Path;
import org.squeezebert.internal.Bundle;
import org.squeezebert.internal.BundleSource;
import org.squeezebert.internal.BundleStore;

/**
 * The versions of one pack, which {@code squeezebert-mobile pack} made, and which of them an app takes: the newest that passes its
 * self-test, so that one that fails leaves the last that passed in its place. That one and the one it replaced are kept.
 */
public final class Packs {
    private final Path root;
    private final org.squeezebert.internal.Packs packs;

    Packs(Path root, BundleStore store, String name) {
        this.root = root;
        if (!name.matches("[A-Za-z][A-Za-z0-9_]{0,63}")) {
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, "name", "is no pack's", name, "a letter, then letters, digits and _", "take the name that pack was given");
        }
        packs = new org.squeezebert.internal.Packs(store, root.resolve("packs-" + name + ".json"), name);
    }

    /**
     * Copies a pack in where it is newer than all that are there; false where it is not, and nothing is copied. One that failed or was
     * rolled back stays refused, so that an update that is fetched again does no harm: mend it under a new version.
     */
    public boolean offer(BundleFiles files) {
        try (BundleSource source = files.open()) {
            return packs.offer(source);
        } catch (IOException e) {
            throw new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, "pack", "cannot be closed (" + e.getMessage() + ")", "try again", e);
        }
    }

    /**
     * The folder of the version to open. One that was not tried yet is opened and tests itself first, and counts as refused until it
     * passed: one that kills the process is not tried a second time.
     *
     * @throws SqueezeBertException where none is sound
     */
    public Path take() {
        return packs.take(Packs::passes).folder;
    }

    /** Refuses the version that {@link #take} gave, for what a self-test does not find; the next take gives the one before it. */
    public void rollBack(Path folder) {
        packs.rollBack(Bundle.listed(root.resolve(folder)));
    }

    private static boolean passes(Bundle bundle) {
        try (SqueezeBert model = SqueezeBert.open(bundle.folder)) {
            return model.selfTest().passed();
        } catch (SqueezeBertException e) {
            return false;
        }
    }
}
