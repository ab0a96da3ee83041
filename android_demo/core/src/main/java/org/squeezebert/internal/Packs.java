package org.squeezebert.internal;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.squeezebert.SqueezeBertException;

/**
 * The versions of one pack, and which of them an app takes: the newest whose bytes and self-test are sound, so that one that fails
 * leaves the last that passed in its place. That one and the one it replaced are kept, the others are deleted.
 */
public final class Packs {
    /** The self-test of the app, with its own engine. */
    public interface Judge {
        boolean passes(Bundle bundle);
    }

    private static final int MAX_STATE_BYTES = 1 << 20;

    private final BundleStore store;
    private final Path state;
    private final String name;

    /** The versions of the pack {@code name} in {@code store}; {@code state} is a file of the app that remembers their verdicts. */
    public Packs(BundleStore store, Path state, String name) {
        this.store = store;
        this.state = state;
        this.name = name;
    }

    /**
     * Copies a pack in where it is newer than all that are there; false where it is not, and nothing is copied. One that failed or was
     * rolled back stays refused, so that an update that is fetched again does no harm: mend it under a new version.
     */
    public boolean offer(BundleSource source) {
        Manifest manifest = Manifest.read(source);
        if (manifest.release == null || !manifest.release.name.equals(name)) {
            String found = manifest.release == null ? "no pack" : manifest.release.name;
            throw new SqueezeBertException(SqueezeBertException.Kind.USAGE, Manifest.NAME, "is not of this pack", found, name, "offer a pack of that name");
        }
        Verdicts verdicts = verdicts();
        if (verdicts.refused.contains(manifest.digest)) return false;
        for (Manifest installed : newestFirst()) {
            boolean refused = verdicts.refused.contains(installed.digest);
            if (!refused && Release.compare(manifest.release.version, installed.release.version) <= 0) return false;
        }
        store.install(source);
        return true;
    }

    /**
     * The pack to run, every byte checked. One without a verdict is judged first, and counts as refused until it passed: one that
     * kills the process is not tried a second time. Throws where none is sound.
     */
    public Bundle take(Judge judge) {
        Verdicts verdicts = verdicts();
        for (Manifest manifest : newestFirst()) {
            if (verdicts.refused.contains(manifest.digest)) continue;
            Bundle bundle = sound(manifest.digest);
            if (bundle == null || !passes(bundle, verdicts, judge)) continue;
            sweep(manifest, verdicts);
            return bundle;
        }
        throw new SqueezeBertException(SqueezeBertException.Kind.INTEGRITY, name, "has no version that passes its self-test", "install the app's own pack again");
    }

    /** Refuses the version that {@link #take} gave, for what a self-test does not find; the next take gives the one before it. */
    public void rollBack(Bundle bundle) {
        Verdicts verdicts = verdicts();
        verdicts.passed.remove(bundle.manifest.digest);
        verdicts.refused.add(bundle.manifest.digest);
        write(verdicts);
    }

    private boolean passes(Bundle bundle, Verdicts verdicts, Judge judge) {
        String digest = bundle.manifest.digest;
        if (verdicts.passed.contains(digest)) return true;
        verdicts.refused.add(digest);
        write(verdicts);
        if (!judge.passes(bundle)) return false;
        verdicts.refused.remove(digest);
        verdicts.passed.add(digest);
        write(verdicts);
        return true;
    }

    /** The installed bundle, null where its bytes are damaged: it goes, since they cannot be mended. */
    private Bundle sound(String digest) {
        try {
            return store.open(digest);
        } catch (SqueezeBertException e) {
            if (e.kind() == SqueezeBertException.Kind.ENVIRONMENT) throw e;
            store.delete(digest);
            return null;
        }
    }

    /** Deletes all versions but the taken one and the one that passed before it. */
    private void sweep(Manifest taken, Verdicts verdicts) {
        boolean kept = false;
        for (Manifest manifest : newestFirst()) {
            if (manifest.digest.equals(taken.digest)) continue;
            boolean keep = !kept && verdicts.passed.contains(manifest.digest);
            if (!keep) store.delete(manifest.digest);
            kept |= keep;
        }
    }

    private List<Manifest> newestFirst() {
        List<Manifest> found = new ArrayList<>();
        for (String digest : store.digests()) {
            try {
                Manifest manifest = store.manifest(digest);
                if (manifest.release != null && manifest.release.name.equals(name)) found.add(manifest);
            } catch (SqueezeBertException e) {
                if (e.kind() == SqueezeBertException.Kind.ENVIRONMENT) throw e; // else a damaged one, perhaps another's
            }
        }
        found.sort((a, b) -> Release.compare(b.release.version, a.release.version));
        return found;
    }

    /** What is known of each digest. */
    private static final class Verdicts {
        final TreeSet<String> passed = new TreeSet<>();
        final TreeSet<String> refused = new TreeSet<>();
    }

    /** The kept verdicts; none where the file is missing or damaged, and then all are judged anew. */
    private Verdicts verdicts() {
        Verdicts verdicts = new Verdicts();
        if (!Files.exists(state)) return verdicts;
        try (InputStream in = Files.newInputStream(state)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            Digests.copy(in, out, MAX_STATE_BYTES);
            JsonValue json = Json.object(out.toByteArray(), state.toString());
            verdicts.passed.addAll(json.get("passed").strings());
            verdicts.refused.addAll(json.get("refused").strings());
            return verdicts;
        } catch (IOException e) {
            throw trouble(e);
        } catch (JsonException | SqueezeBertException e) {
            return new Verdicts();
        }
    }

    private void write(Verdicts verdicts) {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("passed", new ArrayList<>(verdicts.passed));
        values.put("refused", new ArrayList<>(verdicts.refused));
        Path partial = state.resolveSibling(state.getFileName() + ".partial");
        try {
            Files.write(partial, Json.write(values).getBytes(StandardCharsets.UTF_8));
            Files.move(partial, state, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            throw trouble(e);
        }
    }

    private SqueezeBertException trouble(IOException e) {
        return new SqueezeBertException(SqueezeBertException.Kind.ENVIRONMENT, state.toString(), "cannot be kept (" + e + ")", "free storage and try again", e);
    }
}
