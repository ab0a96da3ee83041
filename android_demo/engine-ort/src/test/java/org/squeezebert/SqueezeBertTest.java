package org.squeezebert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.squeezebert.SqueezeBertException.Kind;

/** The public API over kept bundles and the real ONNX Runtime. tests/android/test_consumer.py compares each task with Python. */
class SqueezeBertTest {
    private static final Path QUESTIONS = Paths.get("../../tests/data/bundle_v2");
    private static final Path SENTENCES = Paths.get("../../tests/data/bundle_v2_sentences");
    private static final String CONTEXT = "\uD83D\uDE00 A warm, funny film that I would watch again tomorrow.";
    private static final int CALLS = 12;

    @TempDir
    Path temporary;

    private static SqueezeBertException refused(Kind kind, Executable call) {
        SqueezeBertException e = assertThrows(SqueezeBertException.class, call);
        assertEquals(kind, e.kind(), e.getMessage());
        assertTrue(e.getMessage().contains("; fix: "), e.getMessage());
        return e;
    }

    @Test
    void everyFileOfABundleComputesWhatTheReferenceComputed() {
        for (Path folder : new Path[] {QUESTIONS, SENTENCES}) {
            try (SqueezeBert model = SqueezeBert.open(folder)) {
                SelfTestResult result = model.selfTest();
                assertTrue(result.passed(), result.reason());
                assertTrue(result.cases() > 0 && result.largestDifference() >= 0);
            }
        }
    }

    @Test
    void theFastestExactFileIsOpenedWhereNothingElseIsAskedFor() {
        try (SqueezeBert model = SqueezeBert.open(QUESTIONS)) {
            assertEquals("int8", model.info().precision());
            assertEquals("onnx", model.info().runtime());
            assertEquals(1, model.info().threads());
        }
        try (SqueezeBert model = SqueezeBert.open(QUESTIONS, Options.builder().runtime("onnx").precision("fp32").threads(2).build())) {
            assertEquals("onnx/model.onnx", model.info().file());
            assertEquals(2, model.info().threads());
            assertEquals("question-answering", model.info().task());
            assertEquals(64, model.info().digest().length());
        }
    }

    @Test
    void whatCannotBeOpenedSaysWhatThereIs() {
        String lacking = refused(Kind.UNSUPPORTED, () -> SqueezeBert.open(QUESTIONS, Options.builder().runtime("executorch").build())).getMessage();
        assertTrue(lacking.contains("add squeezebert-ort or squeezebert-et to the app"), lacking);
        String other = refused(Kind.UNSUPPORTED, () -> SqueezeBert.open(QUESTIONS, Options.builder().precision("int4").build())).getMessage();
        assertTrue(other.contains("onnx fp32, onnx int8"), other);
        refused(Kind.USAGE, () -> Options.builder().threads(0));
        refused(Kind.INPUT, () -> SqueezeBert.open(temporary.resolve("nowhere")));
    }

    @Test
    void aFileThatWasChangedIsRefusedBeforeARuntimeSeesIt() throws Exception {
        Path folder = Bundles.in(temporary).install(BundleFiles.folder(QUESTIONS));
        Path file = folder.resolve("onnx/model_quantized.onnx");
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 1;
        Files.write(file, bytes);
        refused(Kind.INTEGRITY, () -> SqueezeBert.open(folder));
        SqueezeBert.open(folder, Options.builder().precision("fp32").build()).close();
    }

    @Test
    void theMethodsOfOtherTasksAndOfAClosedModelAreRefused() {
        SqueezeBert model = SqueezeBert.open(QUESTIONS);
        List<Executable> others = Arrays.asList(() -> model.classify("a"), () -> model.classify("a", "b"), () -> model.entities("a"), () -> model.fillMask("a"),
            () -> model.choose("a", Arrays.asList("b", "c")), () -> model.embed("a"));
        for (Executable other : others) {
            String message = refused(Kind.USAGE, other).getMessage();
            assertTrue(message.contains("(found question-answering, expected "), message);
        }
        assertThrows(NullPointerException.class, () -> model.answer("a", null));
        Tokenizer tokenizer = model.tokenizer();
        model.close();
        model.close();
        refused(Kind.USAGE, () -> model.answer("a", "b"));
        refused(Kind.USAGE, model::selfTest);
        assertEquals("[CLS]", tokenizer.encode("a").list().get(0).piece());
    }

    @Test
    void placesInATextAreThoseOfItsString() {
        try (SqueezeBert model = SqueezeBert.open(QUESTIONS)) {
            Answer answer = model.answer("A film", CONTEXT);
            if (answer.hasAnswer()) assertEquals(answer.text(), CONTEXT.substring(answer.start(), answer.end()));
            assertTrue(answer.score() >= 0 && answer.score() <= 1);
            Tokens tokens = model.tokenizer().encode("a", CONTEXT);
            StringBuilder read = new StringBuilder();
            for (Tokens.Token token : tokens.list()) {
                if (token.text() == 1) read.append(CONTEXT, token.start(), token.end());
            }
            assertEquals(CONTEXT.replace(" ", ""), read.toString());
            assertFalse(tokens.truncated());
            assertEquals(tokens.list().size(), tokens.ids().length);
        }
    }

    @Test
    void noResultCanBeChanged() {
        try (SqueezeBert model = SqueezeBert.open(SENTENCES)) {
            float[] vector = model.embed("a film");
            Arrays.fill(vector, 7);
            assertFalse(Arrays.equals(vector, model.embed("a film")));
            List<Tokens.Token> tokens = model.tokenizer().encode("a film").list();
            assertThrows(UnsupportedOperationException.class, () -> tokens.remove(0));
        }
    }

    @Test
    void threadsThatAskAtOnceEachGetTheirOwnAnswer() throws Exception {
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < CALLS; i++) texts.add(String.join(" ", Collections.nCopies(i + 1, "film")));
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (SqueezeBert model = SqueezeBert.open(SENTENCES)) {
            List<float[]> alone = new ArrayList<>();
            for (String text : texts) alone.add(model.embed(text));
            List<Callable<float[]>> calls = new ArrayList<>();
            for (int turn = 0; turn < 4; turn++) texts.forEach(text -> calls.add(() -> model.embed(text)));
            List<Future<float[]>> found = threads.invokeAll(calls);
            for (int i = 0; i < found.size(); i++) assertArrayEquals(alone.get(i % CALLS), found.get(i).get());
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void closingWaitsForWhoeverAsks() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try {
            for (int turn = 0; turn < 4; turn++) {
                SqueezeBert model = SqueezeBert.open(SENTENCES);
                List<Future<float[]>> calls = new ArrayList<>();
                for (int i = 0; i < CALLS; i++) calls.add(threads.submit(() -> model.embed("a film")));
                model.close();
                for (Future<float[]> call : calls) {
                    try {
                        assertTrue(call.get().length > 0);
                    } catch (java.util.concurrent.ExecutionException e) {
                        assertTrue(e.getCause().getMessage().startsWith("SqueezeBert: is closed"), e.getCause().toString());
                    }
                }
            }
        } finally {
            threads.shutdown();
        }
    }

    @Test
    void aPeersBundleAnswersNothing() throws Exception {
        Path peer = KeptBundle.with(QUESTIONS, "\"peer\": \"BERT-base\"", temporary.resolve("peer"));
        String message = refused(Kind.USAGE, () -> SqueezeBert.open(peer)).getMessage();
        assertTrue(message.contains("is of BERT-base"), message);
    }
}
