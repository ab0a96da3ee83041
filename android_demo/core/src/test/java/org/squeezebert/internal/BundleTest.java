package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.squeezebert.SqueezeBertException;

class BundleTest {
    @TempDir
    Path temporary;
    private TestBundle made;
    private BundleStore store;
    private Path root;

    @BeforeEach
    void make() throws Exception {
        made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        root = temporary.resolve("store");
        store = new BundleStore(root);
        store.digests(); // the first use makes its folder
    }

    private SqueezeBertException refusesFolder() throws Exception {
        Path folder = temporary.resolve("bundle");
        return assertThrows(SqueezeBertException.class, () -> Bundle.open(folder));
    }

    private static void assertSays(SqueezeBertException e, SqueezeBertException.Kind kind, String text) {
        assertEquals(kind, e.kind(), e.getMessage());
        assertTrue(e.getMessage().contains(text) && e.getMessage().contains("; fix: "), e.getMessage());
    }

    @Test
    void opensWhatIsWhole() throws Exception {
        Bundle bundle = Bundle.open(made.write(temporary.resolve("bundle")));
        assertEquals(TaskKind.TEXT_CLASSIFICATION, bundle.manifest.task);
        assertEquals(Arrays.asList("bad", "good"), bundle.manifest.labels);
        assertEquals("ONNX Runtime · fp32", bundle.manifest.artifacts.get(0).title());
        assertArrayEquals(new long[] {2, 5, 7, 8, 3}, bundle.tokenizer().encode("good films", null, 16).ids);
    }

    /** tokenizer.json with these tokens behind the named ones of {@link TestBundle#WORDS}. */
    private void addTokens(String... contents) {
        List<Object> added = new ArrayList<>();
        for (int id = 0; id < 5 + contents.length; id++) {
            boolean named = id < 5;
            added.add(TestBundle.object("id", named ? id : TestBundle.WORDS.size() + id - 5, "content", named ? TestBundle.WORDS.get(id) : contents[id - 5],
                "special", named, "normalized", !named, "single_word", false, "lstrip", false, "rstrip", false));
        }
        made.files.put("tokenizer.json", TestBundle.utf8(Json.write(TestBundle.object("version", "1.0", "added_tokens", added))));
    }

    @Test
    void findsTheAddedTokensOfSchema1() throws Exception {
        made.manifest.put("schema_version", 1);
        made.manifest.put("postprocessing", "softmax");
        addTokens("covid19", "[user]");
        Bundle bundle = Bundle.open(made.write(temporary.resolve("bundle")));
        assertArrayEquals(new long[] {2, 11, 5, 10, 7, 3}, bundle.tokenizer().encode("[USER] good covid19 film", null, 16).ids);
        assertEquals("covid19", bundle.tokenizer().vocabulary().token(10));
        assertEquals("[MASK]", bundle.mask());
    }

    @Test
    void refusesATokenizerWhoseAddedTokensAreNone() throws Exception {
        made.files.put("tokenizer.json", TestBundle.utf8("{\"added_tokens\": [{\"id\": 10}]}"));
        Bundle bundle = Bundle.open(made.write(temporary.resolve("bundle")));
        assertSays(assertThrows(SqueezeBertException.class, bundle::tokenizer), SqueezeBertException.Kind.INPUT, "tokenizer.json: is not a tokenizer");
    }

    @Test
    void refusesAChangedMissingCutLongerOrAddedFile() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        Path model = folder.resolve("onnx/model.onnx");
        byte[] good = Files.readAllBytes(model);
        Files.write(model, TestBundle.utf8("not A model"));
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "onnx/model.onnx: SHA-256 mismatch");
        Files.write(model, Arrays.copyOf(good, 4));
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "is cut off");
        Files.write(model, Arrays.copyOf(good, 40));
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "is longer");
        Files.delete(model);
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "is missing");
        Files.write(model, good);
        Files.write(folder.resolve("extra.bin"), good);
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "extra.bin: is in the bundle but not in its manifest");
    }

    @Test
    void refusesLinks() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        Path outside = temporary.resolve("outside.onnx");
        Files.move(folder.resolve("onnx/model.onnx"), outside);
        Files.createSymbolicLink(folder.resolve("onnx/model.onnx"), outside);
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "is a link");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/etc/passwd", "../x", "a/../x", "a\\b", "a//b", "./a", "a\0b", "CON", "a/nul.txt", "VOCAB.txt", "bundle.json", "e\u0301.txt", "a:b", "a.", "vocab.txt/x"})
    void refusesPathsThatLeaveOrCollide(String path) throws Exception {
        made.files.put(path, new byte[1]);
        SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> Manifest.parse(made.manifestBytes()));
        assertSays(e, SqueezeBertException.Kind.INPUT, "path \"");
    }

    @Test
    void refusesAManifestThatItDoesNotKnowInFull() throws Exception {
        Object[][] changes = {
            {"schema_version", 3, "unknown schema_version"}, {"schema_version", true, "unknown schema_version"}, {"later", 1, "unknown members [later]"},
            {"task", "translation", "not one of"}, {"labels", "bad", "is text, not a list"}, {"postprocessing", 3, "not an object"}, {"postprocessing", "softmax", "not an object"},
            {"postprocessing", TestBundle.object("kind", "argmax"), "not one of"}, {"postprocessing", TestBundle.object("kind", "softmax", "later", 1), "unknown members [later]"},
            {"postprocessing", TestBundle.object("kind", "none", "pooling", TestBundle.object("mode", "sum", "normalize", true)), "not one of"},
            {"postprocessing", TestBundle.object("kind", "none", "pooling", TestBundle.object("mode", "cls")), "normalize"},
            {"postprocessing", TestBundle.object("kind", "softmax", "null_threshold", 1.0), "no null_threshold"},
            {"files", Collections.singletonList(TestBundle.object("path", "x", "sha256", "00", "bytes", 1)), "64 lower-case hexadecimal"}};
        for (Object[] change : changes) {
            TestBundle bundle = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "a");
            bundle.manifest.put((String) change[0], change[1]);
            SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> Manifest.parse(bundle.manifestBytes()));
            assertSays(e, SqueezeBertException.Kind.INTEGRITY, (String) change[2]);
        }
        assertThrows(SqueezeBertException.class, () -> Manifest.parse(new byte[] {'{', (byte) 0xff, '}'}));
        assertThrows(SqueezeBertException.class, () -> Manifest.parse(TestBundle.utf8("\uFEFF{}")));
    }

    @Test
    @SuppressWarnings("unchecked")
    void namesAGraphInOnnxRuntimesOwnFormat() throws Exception {
        made.manifestBytes();
        Map<String, Object> artifact = (Map<String, Object>) ((List<?>) made.manifest.get("artifacts")).get(0);
        assertEquals(null, Manifest.parse(made.manifestBytes()).artifacts.get(0).form);
        artifact.put("form", "ort");
        String title = Manifest.parse(made.manifestBytes()).artifacts.get(0).title();
        assertTrue(title.startsWith("ONNX Runtime (.ort) · "), title);
        artifact.put("runtime", "executorch");
        assertSays(assertThrows(SqueezeBertException.class, () -> Manifest.parse(made.manifestBytes())), SqueezeBertException.Kind.INTEGRITY, "which has no form ort");
        artifact.put("form", "tflite");
        assertSays(assertThrows(SqueezeBertException.class, () -> Manifest.parse(made.manifestBytes())), SqueezeBertException.Kind.INTEGRITY, "not one of [ort]");
    }

    @Test
    void installsAFolderOnceAndOpensItByDigest() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        String digest = store.install(new FolderSource(folder));
        assertEquals(digest, store.install(new FolderSource(folder)));
        assertEquals(Collections.singletonList(digest), store.digests());
        assertEquals(digest, store.open(digest).manifest.digest);
        store.delete(digest);
        assertEquals(Collections.emptyList(), store.digests());
    }

    @Test
    void aDamagedInstallIsNoticedAndHealedByInstallingAgain() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        String digest = store.install(new FolderSource(folder));
        Files.write(root.resolve(digest).resolve("vocab.txt"), new byte[3]);
        assertSays(assertThrows(SqueezeBertException.class, () -> store.open(digest)), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: is cut off");
        store.install(new FolderSource(folder));
        store.open(digest);
    }

    /** The first byte becomes another; size, time and place stay. */
    private static void changeUnnoticed(Path file) throws IOException {
        FileTime written = Files.getLastModifiedTime(file);
        byte[] bytes = Files.readAllBytes(file);
        bytes[0] ^= 1;
        Files.write(file, bytes);
        Files.setLastModifiedTime(file, written);
    }

    @Test
    void bytesAreComparedAgainWhereAFileWasWrittenOrIsUsedAndNotAtEachStart() throws Exception {
        String digest = store.install(new FolderSource(made.write(temporary.resolve("bundle"))));
        Path vocabulary = root.resolve(digest).resolve("vocab.txt");
        changeUnnoticed(vocabulary);
        Bundle opened = store.open(digest);
        assertSays(assertThrows(SqueezeBertException.class, opened::tokenizer), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: SHA-256 mismatch");
        Files.setLastModifiedTime(vocabulary, FileTime.fromMillis(0));
        assertSays(assertThrows(SqueezeBertException.class, () -> store.open(digest)), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: SHA-256 mismatch");
    }

    @Test
    void aStoreTouchesNoFileBeforeItIsUsed() throws Exception {
        Path untouched = temporary.resolve("untouched");
        BundleStore lazy = new BundleStore(untouched);
        assertTrue(Files.notExists(untouched));
        assertEquals(Collections.emptyList(), lazy.digests());
        assertTrue(Files.isDirectory(untouched));
    }

    @Test
    void sweepsACopyThatWasKilled() throws Exception {
        Path left = Files.createDirectories(root.resolve(".unfinished-1/onnx"));
        Files.write(left.resolve("model.onnx"), new byte[10]);
        assertEquals(Collections.emptyList(), new BundleStore(root).digests());
        assertEquals(0, root.toFile().list().length);
    }

    @Test
    void aFailedInstallLeavesNothing() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        Files.delete(folder.resolve("vocab.txt"));
        assertSays(assertThrows(SqueezeBertException.class, () -> store.install(new FolderSource(folder))), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: is missing");
        assertEquals(0, root.toFile().list().length);
    }

    private static BundleSource named(byte[] manifest) {
        return new BundleSource() {
            @Override
            public void requireExactly(Manifest same) { }

            @Override
            public InputStream open(String path) throws IOException {
                if (!path.equals(Manifest.NAME)) throw new FileNotFoundException(path);
                return new ByteArrayInputStream(manifest);
            }
        };
    }

    private static List<Object> files(int count, long bytes) {
        List<Object> files = new ArrayList<>();
        String digest = Digests.sha256(new byte[0]);
        for (int i = 0; i < count; i++) files.add(TestBundle.object("path", "huge" + i, "sha256", digest, "bytes", bytes));
        return files;
    }

    @Test
    void aPhoneWithoutRoomIsSaidBeforeAnythingIsCopied() throws Exception {
        made.manifest.put("files", files(10_000, FileEntry.MAX_BYTES));
        byte[] manifest = made.manifestBytes();
        SqueezeBertException e = assertThrows(SqueezeBertException.class, () -> store.install(named(manifest)));
        assertSays(e, SqueezeBertException.Kind.ENVIRONMENT, "storage: is too full for this bundle (found ");
        assertEquals(0, root.toFile().list().length);
    }

    @ParameterizedTest
    @ValueSource(longs = {Long.MAX_VALUE, Long.MAX_VALUE - 1, 1L << 62, (16L << 30) + 1})
    void refusesSizesThatNoModelHas(long bytes) throws Exception {
        made.manifest.put("files", files(2, bytes));
        Path folder = made.write(temporary.resolve("bundle"));
        assertSays(refusesFolder(), SqueezeBertException.Kind.INTEGRITY, "$.files[0].bytes is " + bytes);
        assertThrows(SqueezeBertException.class, () -> store.install(new FolderSource(folder)));
        assertThrows(SqueezeBertException.class, () -> importZip(zip("")));
        assertEquals(0, root.toFile().list().length);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 2, Integer.MAX_VALUE, 1L << 32, Long.MAX_VALUE})
    void aCopyEndsWhateverItsLimit(long limit) throws Exception {
        Digests.Copied copied = Digests.copy(new ByteArrayInputStream(new byte[3]), new ByteArrayOutputStream(), limit);
        assertEquals(Math.min(3, limit + 1 < 0 ? 3 : limit + 1), copied.bytes);
    }

    @Test
    void readsTheBytesThatItCompared() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        Bundle bundle = Bundle.open(folder);
        byte[] vocabulary = made.files.get("vocab.txt");
        assertArrayEquals(vocabulary, bundle.read("vocab.txt"));
        byte[] other = vocabulary.clone();
        other[0] ^= 1;
        Files.write(folder.resolve("vocab.txt"), other);
        assertSays(assertThrows(SqueezeBertException.class, () -> bundle.read("vocab.txt")), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: SHA-256 mismatch");
        assertSays(assertThrows(SqueezeBertException.class, bundle::tokenizer), SqueezeBertException.Kind.INTEGRITY, "vocab.txt: SHA-256 mismatch");
        Files.write(folder.resolve("golden.json"), new byte[40]);
        assertSays(assertThrows(SqueezeBertException.class, () -> GoldenCase.read(bundle)), SqueezeBertException.Kind.INTEGRITY, "golden.json: ");
    }

    @Test
    void doesNotTakeALargeFileIntoMemory() throws Exception {
        made.files.put("vocab.txt", new byte[(4 << 20) + 1]);
        Bundle bundle = Bundle.open(made.write(temporary.resolve("bundle")));
        assertSays(assertThrows(SqueezeBertException.class, bundle::tokenizer), SqueezeBertException.Kind.INPUT, "vocab.txt: is too large");
    }

    @Test
    void anImportThatFailsLeavesTheInstalledBundleOfThatDigest() throws Exception {
        Path folder = made.write(temporary.resolve("bundle"));
        String digest = store.install(new FolderSource(folder));
        Files.write(folder.resolve("vocab.txt"), new byte[made.files.get("vocab.txt").length]);
        assertThrows(SqueezeBertException.class, () -> store.install(new FolderSource(folder)));
        store.open(digest);
    }

    private File zip(String prefix, String... extra) throws Exception {
        byte[] manifest = made.manifestBytes();
        File file = temporary.resolve("bundle.zip").toFile();
        try (OutputStream out = Files.newOutputStream(file.toPath()); ZipOutputStream zip = new ZipOutputStream(out)) {
            List<String> names = new ArrayList<>(made.files.keySet());
            names.add(Manifest.NAME);
            for (String name : names) {
                zip.putNextEntry(new ZipEntry(prefix + name));
                zip.write(name.equals(Manifest.NAME) ? manifest : made.files.get(name));
            }
            for (String name : extra) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(new byte[name.startsWith("bomb") ? 50_000_000 : 1]);
            }
        }
        return file;
    }

    private String importZip(File file) throws Exception {
        try (BundleSource source = new ZipSource(file, "picked.zip")) {
            return store.install(source);
        }
    }

    @Test
    void importsZipsWithAndWithoutAFolder() throws Exception {
        String digest = importZip(zip(""));
        assertEquals(digest, importZip(zip("my bundle/")));
        store.open(digest);
    }

    @ParameterizedTest
    @ValueSource(strings = {"../evil", "/evil", "a\\evil", "bomb.bin", "base/../evil"})
    void refusesHostileZips(String entry) throws Exception {
        File file = zip("", entry);
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(file)), SqueezeBertException.Kind.INPUT, "");
        assertEquals(0, root.toFile().list().length);
    }

    @Test
    void refusesWhatTheManifestDoesNotList() throws Exception {
        File file = zip("", "extra.txt");
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(file)), SqueezeBertException.Kind.INTEGRITY, "extra.txt: is in the bundle but not in its manifest");
    }

    @Test
    void refusesTooManyEntriesAndWhatIsNoBundle() throws Exception {
        String[] many = new String[1001];
        for (int i = 0; i < many.length; i++) many[i] = "f" + i;
        File full = zip("", many);
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(full)), SqueezeBertException.Kind.INPUT, "too many entries");
        File outside = zip("folder/", "folder_evil/x");
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(outside)), SqueezeBertException.Kind.INPUT, "holds no bundle.json");
        File text = temporary.resolve("text.zip").toFile();
        Files.write(text.toPath(), TestBundle.utf8("<html>error</html>"));
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(text)), SqueezeBertException.Kind.INPUT, "picked.zip: is not a plain zip file");
        File cut = zip("");
        Files.write(cut.toPath(), Arrays.copyOf(Files.readAllBytes(cut.toPath()), 300));
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(cut)), SqueezeBertException.Kind.INPUT, "is not a plain zip file");
        made.files.clear();
        made.manifest.put("files", Collections.emptyList());
        File missing = zip("");
        Map<String, Object> manifest = made.manifest;
        manifest.put("files", Collections.singletonList(TestBundle.object("path", "gone", "sha256", String.join("", Collections.nCopies(64, "0")), "bytes", 1)));
        File lacking = zip("");
        assertSays(assertThrows(SqueezeBertException.class, () -> importZip(lacking)), SqueezeBertException.Kind.INTEGRITY, "gone: is missing");
    }
}
