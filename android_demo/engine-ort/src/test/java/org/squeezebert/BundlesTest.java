package org.squeezebert;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where an app gets its bundles from, and which version of a pack it takes. */
class BundlesTest {
    private static final Path KEPT = Paths.get("../../tests/data/bundle_v2");

    @TempDir
    Path temporary;

    private static byte[] zipped(Path folder) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream out = new ZipOutputStream(bytes); Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toArray(Path[]::new)) {
                out.putNextEntry(new ZipEntry(folder.relativize(file).toString()));
                Files.copy(file, out);
            }
        }
        return bytes.toByteArray();
    }

    @Test
    void aBundleComesFromAFolderAZipAStreamAndWhateverOpensFiles() throws Exception {
        Path zip = Files.write(temporary.resolve("a.zip"), zipped(KEPT));
        Path scratch = temporary.resolve("scratch.zip");
        List<BundleFiles> sources = new ArrayList<>();
        sources.add(BundleFiles.folder(KEPT));
        sources.add(BundleFiles.zip(zip));
        sources.add(BundleFiles.zip(new ByteArrayInputStream(zipped(KEPT)), scratch));
        sources.add(BundleFiles.from(path -> Files.newInputStream(KEPT.resolve(path))));
        for (int i = 0; i < sources.size(); i++) {
            Bundles bundles = Bundles.in(temporary.resolve("store" + i));
            Path folder = bundles.install(sources.get(i));
            assertEquals(Collections.singletonList(folder), bundles.folders());
            SqueezeBert.open(folder).close();
            bundles.delete(folder);
            assertFalse(Files.exists(folder));
            assertThrows(SqueezeBertException.class, () -> bundles.delete(folder));
        }
        assertFalse(Files.exists(scratch));
    }

    @Test
    void nothingIsLeftOfABrokenZip() throws Exception {
        Bundles bundles = Bundles.in(temporary.resolve("store"));
        Path scratch = temporary.resolve("scratch.zip");
        SqueezeBertException e = assertThrows(SqueezeBertException.class,
            () -> bundles.install(BundleFiles.zip(new ByteArrayInputStream(new byte[] {'P', 'K', 3, 4}), scratch)));
        assertEquals(SqueezeBertException.Kind.INPUT, e.kind());
        assertFalse(Files.exists(scratch));
        assertEquals(Collections.emptyList(), bundles.folders());
    }

    private Path pack(String version) throws IOException {
        String member = "\"release\": {\"name\": \"answers\", \"version\": \"" + version + "\"}";
        return KeptBundle.with(KEPT, member, temporary.resolve("pack-" + version));
    }

    @Test
    void theNewestPackThatPassesItsSelfTestIsTakenAndCanBeRolledBack() throws Exception {
        Packs packs = Bundles.in(temporary.resolve("store")).packs("answers");
        assertTrue(packs.offer(BundleFiles.folder(pack("1.0.0"))));
        Path first = packs.take();
        assertTrue(packs.offer(BundleFiles.folder(pack("1.1.0"))));
        assertFalse(packs.offer(BundleFiles.folder(temporary.resolve("pack-1.0.0"))));
        Path second = packs.take();
        try (SqueezeBert model = SqueezeBert.open(second)) {
            assertEquals("1.1.0", model.info().version());
        }
        packs.rollBack(second);
        assertEquals(first, packs.take());
        assertThrows(SqueezeBertException.class, () -> packs.offer(BundleFiles.folder(KEPT)));
        assertThrows(SqueezeBertException.class, () -> Bundles.in(temporary).packs("no/name"));
    }
}
