package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.squeezebert.SqueezeBertException;

/** Which version of a pack is taken: newer, damaged, refused, rolled back. */
class PacksTest {
    @TempDir
    Path folder;
    private BundleStore store;
    private Packs packs;
    private final List<String> judged = new ArrayList<>();

    @BeforeEach
    void open() throws Exception {
        store = new BundleStore(folder.resolve("store"));
        packs = new Packs(store, folder.resolve("packs.json"), "sentiment");
    }

    private boolean offer(String version) throws Exception {
        return packs.offer(source("sentiment", version));
    }

    private BundleSource source(String name, String version) throws Exception {
        TestBundle made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        made.manifest.put("license", "MIT");
        made.manifest.put("release", TestBundle.object("name", name, "version", version, "update", "newest-that-passes"));
        return new FolderSource(made.write(folder.resolve(name + "-" + version)));
    }

    private String take(String... failing) throws Exception {
        return packs.take(bundle -> {
            judged.add(bundle.manifest.release.version);
            return !Arrays.asList(failing).contains(bundle.manifest.release.version);
        }).manifest.release.version;
    }

    private Path installed(String version) throws Exception {
        for (String digest : store.digests()) {
            if (store.manifest(digest).release.version.equals(version)) return folder.resolve("store").resolve(digest);
        }
        throw new AssertionError(version);
    }

    @Test
    void theNewestThatPassesIsTakenAndJudgedOnce() throws Exception {
        assertTrue(offer("1.9.0"));
        assertEquals("1.9.0", take());
        assertTrue(offer("1.10.0"));
        assertEquals("1.10.0", take());
        packs = new Packs(new BundleStore(folder.resolve("store")), folder.resolve("packs.json"), "sentiment");
        assertEquals("1.10.0", take());
        assertEquals(Arrays.asList("1.9.0", "1.10.0"), judged);
    }

    @Test
    void whatIsNotNewerOrOfAnotherNameIsNotCopied() throws Exception {
        offer("2.0.0");
        assertFalse(offer("2.0.0"));
        assertFalse(offer("2.0.0-rc.1"));
        assertThrows(SqueezeBertException.class, () -> packs.offer(source("other", "3.0.0")));
        assertEquals(1, store.digests().size());
    }

    @Test
    void oneThatFailsLeavesTheLastThatPassed() throws Exception {
        offer("1.0.0");
        take();
        offer("1.1.0");
        assertEquals("1.0.0", take("1.1.0"));
        assertEquals("1.0.0", take());
        assertEquals(Arrays.asList("1.0.0", "1.1.0"), judged);
        assertFalse(offer("1.1.0"));
        assertEquals(1, store.digests().size());
        assertTrue(offer("1.1.1"));
        assertEquals("1.1.1", take());
    }

    @Test
    void oneThatKillsItsProcessIsNotTriedAgain() throws Exception {
        offer("1.0.0");
        take();
        offer("1.1.0");
        assertThrows(IllegalStateException.class, () -> packs.take(bundle -> {
            throw new IllegalStateException("killed");
        }));
        assertEquals("1.0.0", take());
    }

    @ParameterizedTest
    @ValueSource(strings = {"vocab.txt", "bundle.json"})
    void aDamagedOneLeavesTheLastThatPassed(String file) throws Exception {
        offer("1.0.0");
        take();
        offer("1.1.0");
        Files.write(installed("1.1.0").resolve(file), TestBundle.utf8("x"));
        assertEquals("1.0.0", take());
        assertTrue(offer("1.1.0"));
        assertEquals("1.1.0", take());
    }

    @Test
    void oneThatIsCutOffWhileItIsCopiedIsNotThere() throws Exception {
        offer("1.0.0");
        BundleSource whole = source("sentiment", "1.1.0");
        Files.write(folder.resolve("sentiment-1.1.0/vocab.txt"), TestBundle.utf8("x"));
        assertThrows(SqueezeBertException.class, () -> packs.offer(whole));
        assertEquals("1.0.0", take());
        assertEquals(1, store.digests().size());
    }

    @Test
    void afterRollingBackTheOneBeforeIsTaken() throws Exception {
        offer("1.0.0");
        take();
        offer("1.1.0");
        assertEquals("1.1.0", take());
        packs.rollBack(store.open(installed("1.1.0").getFileName().toString()));
        assertEquals("1.0.0", take());
        assertFalse(offer("1.1.0"));
        assertTrue(offer("1.1.1"));
        assertEquals("1.1.1", take());
    }

    @Test
    void onlyTheTakenOneAndTheOneBeforeItStay() throws Exception {
        for (String version : new String[] {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}) {
            offer(version);
            take();
        }
        assertEquals(2, store.digests().size());
        installed("1.2.0");
        installed("1.3.0");
    }

    @Test
    void damagedVerdictsAreMadeAnew() throws Exception {
        offer("1.0.0");
        take();
        Files.write(folder.resolve("packs.json"), TestBundle.utf8("{"));
        assertEquals("1.0.0", take());
        assertEquals(Arrays.asList("1.0.0", "1.0.0"), judged);
        assertThrows(SqueezeBertException.class, () -> new Packs(store, folder.resolve("other.json"), "nothing").take(bundle -> true));
    }

    @Test
    void versionsHaveTheOrderOfSemverOrg() {
        List<String> ordered = Arrays.asList("1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
            "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0-0-1", "2.0.0");
        List<String> shuffled = new ArrayList<>(ordered);
        Collections.shuffle(shuffled, new java.util.Random(0));
        shuffled.sort(Release::compare);
        assertEquals(ordered, shuffled);
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.0", "01.0.0", "1.0.0+1", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "1.0.0\n", "9999999999.0.0"})
    void whatIsNoVersionIsRefused(String version) {
        assertThrows(SqueezeBertException.class, () -> offer(version));
    }
}
