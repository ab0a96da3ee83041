package org.squeezebert.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.squeezebert.SqueezeBertException;

/** The verdict for engines that answer right, slightly otherwise, in another shape and not at all. */
class SelfTestTest {
    private static final String GOLDEN = "{\"schema_version\":1,\"cases\":[{\"name\":\"two words\",\"texts\":[\"good films\"],\"max_length\":16,"
        + "\"input_ids\":[[%s]],\"attention_mask\":[[1,1,1,1,1]],\"token_type_ids\":[[0,0,0,0,0]],"
        + "\"outputs\":[{\"name\":\"logits\",\"shape\":[1,2],\"indices\":[0,1],\"values\":[0.25,0.75]}]}]}";
    private static final String RIGHT = "2,5,7,8,3";

    @TempDir
    Path folder;

    private SelfTestReport report(String ids, long[] shape, float... logits) throws Exception {
        return report(1e-4, ids, shape, logits);
    }

    private SelfTestReport report(double atol, String ids, long[] shape, float... logits) throws Exception {
        TestBundle made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        made.atol = atol;
        made.files.put("golden.json", TestBundle.utf8(String.format(GOLDEN, ids)));
        Bundle bundle = Bundle.open(made.write(folder.resolve("bundle")));
        InferenceEngine engine = new InferenceEngine() {
            @Override
            public Map<String, Tensor> run(long[] tokens, long[] types) {
                return logits.length == 0 ? Collections.<String, Tensor>emptyMap() : Collections.singletonMap("logits", new Tensor(shape, logits));
            }

            @Override
            public void close() { }
        };
        return SelfTest.run(bundle, bundle.manifest.artifacts.get(0), engine, (done, of) -> { });
    }

    private SqueezeBertException refused(String was, String is) throws Exception {
        String golden = String.format(GOLDEN, RIGHT);
        assertTrue(golden.contains(was));
        TestBundle made = new TestBundle(TaskKind.TEXT_CLASSIFICATION, PostProcessing.SOFTMAX, "bad", "good");
        made.files.put("golden.json", TestBundle.utf8(golden.replace(was, is)));
        Bundle bundle = Bundle.open(made.write(folder.resolve("bundle")));
        return assertThrows(SqueezeBertException.class, () -> GoldenCase.read(bundle));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "\"indices\":[0,1] | \"indices\":[0]", "\"indices\":[0,1] | \"indices\":[]", "\"indices\":[0,1] | \"indices\":[0,2]",
        "\"indices\":[0,1] | \"indices\":[-1,1]", "\"indices\":[0,1] | \"indices\":[0,9223372036854775807]", "\"values\":[0.25,0.75] | \"values\":[0.25]",
        "\"shape\":[1,2] | \"shape\":[4294967296,4294967296]", "\"shape\":[1,2] | \"shape\":[0,2]", "[2,5,7,8,3] | [2,5,7,8]", "[[2,5,7,8,3]] | []",
        "[1,1,1,1,1] | [1,1,1,1,1,1]", "[[0,0,0,0,0]] | [[0,0,0,0,0],[0,0,0,0,0]]", "[2,5,7,8,3] | [2,5,7,8,1e3]"})
    void goldenTextsThatDoNotFitTogetherAreRefused(String was, String is) throws Exception {
        SqueezeBertException e = refused(was, is);
        assertEquals(SqueezeBertException.Kind.INTEGRITY, e.kind());
        assertTrue(e.getMessage().startsWith("golden.json: is not a golden file: "), e.getMessage());
    }

    @Test
    void goldenTextsThatProveNothingAreRefused() throws Exception {
        String golden = String.format(GOLDEN, RIGHT);
        assertTrue(refused(golden, "{\"schema_version\":1,\"cases\":[]}").getMessage().contains("proves nothing"));
        int outputs = golden.indexOf("[{\"name\":\"logits\"");
        assertTrue(refused(golden.substring(outputs), "[]}]}").getMessage().contains("proves nothing"));
    }

    @Test
    void theReferencesAnswerPasses() throws Exception {
        SelfTestReport report = report(RIGHT, new long[] {1, 2}, 0.25f, 0.75f);
        assertTrue(report.passed());
        assertEquals(1, report.idCases);
        assertEquals(1, report.argmaxEqual);
        assertEquals(0, report.maxAbs);
    }

    @Test
    void anAnswerOverTheGateFailsWithItsCase() throws Exception {
        SelfTestReport report = report(RIGHT, new long[] {1, 2}, 0.75f, 0.25f);
        assertFalse(report.passed());
        assertEquals("logits is 0.50 off, allowed 0.00010", report.reason());
        assertEquals(0, report.argmaxEqual);
        assertEquals("two words", report.worstCase);
    }

    @Test
    void aBundleDoesNotChooseItsOwnTolerance() throws Exception {
        SelfTestReport report = report(1e300, RIGHT, new long[] {1, 2}, 0f, 0f);
        assertEquals("logits is 0.75 off, more than 0.0075 is another answer", report.reason());
    }

    @Test
    void otherIdsFailThoughTheAnswerIsRight() throws Exception {
        assertEquals("other token ids for \"two words\"", report("2,5,7,9,3", new long[] {1, 2}, 0.25f, 0.75f).reason());
    }

    @Test
    void aMissingOutputAnotherShapeAndNaNFail() throws Exception {
        String reason = "logits is missing, has another shape or is not a number";
        assertEquals(reason, report(RIGHT, new long[] {1, 2}).reason());
        assertEquals(reason, report(RIGHT, new long[] {1, 3}, 0.25f, 0.75f, 0f).reason());
        assertEquals(reason, report(RIGHT, new long[] {1, 2}, 0.25f, Float.NaN).reason());
    }
}
