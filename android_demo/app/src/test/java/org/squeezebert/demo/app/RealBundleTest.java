package org.squeezebert.demo.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeFalse;

import android.content.Intent;
import android.widget.LinearLayout;
import android.widget.Spinner;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.stream.Stream;
import org.junit.BeforeClass;
import org.junit.Test;
import org.robolectric.Shadows;
import org.robolectric.annotation.Config;
import org.squeezebert.demo.core.Json;
import org.squeezebert.demo.core.JsonValue;

/** Every screen with the built-in bundle and the real ONNX Runtime. */
public class RealBundleTest extends ScreenTest {
    private static final String PHONE = "w393dp-h786dp-xhdpi";

    @BeforeClass
    public static void requireBundle() {
        assumeFalse("no bundle: pass -Dbundle.dir=FOLDER", System.getProperty("bundle.dir", "").isEmpty());
    }

    private void classify(String text) throws Exception {
        type(R.id.classify_text, text);
        click(R.id.classify_run);
    }

    @Test
    public void classifiesWithLabelsBarsAndTimes() throws Exception {
        assertTrue(text(R.id.classify_model), text(R.id.classify_model).startsWith("text-classification · onnx · "));
        assertFalse(visible(R.id.classify_error));
        classify("A warm, funny film.");
        String rows = texts(activity.findViewById(R.id.classify_rows));
        assertEquals(rows, session().bundle().manifest.labels.size(), activity.<LinearLayout>findViewById(R.id.classify_rows).getChildCount());
        for (String label : session().bundle().manifest.labels) assertTrue(rows, rows.contains(label));
        assertTrue(text(R.id.classify_facts), text(R.id.classify_facts).matches("\\d+ tokens, \\d+ % unknown"));
        assertTrue(text(R.id.classify_times), text(R.id.classify_times).matches("tokenise .* ms, infer .* ms, total .* ms, cold load .* ms"));
        CharSequence spoken = activity.<LinearLayout>findViewById(R.id.classify_rows).getChildAt(0).getContentDescription();
        assertTrue(spoken.toString(), spoken.toString().endsWith(" %"));
    }

    @Test
    public void hostileTextGivesAnAnswerAndANotice() throws Exception {
        for (String text : new String[] {"", "  ", "\0", "\u200b", "\uD800", new String(new char[100_000]).replace('\0', 'x')}) {
            classify(text);
            assertFalse(text(R.id.classify_error), visible(R.id.classify_error));
        }
        classify(new String(new char[5000]).replace("\0", "good "));
        assertTrue(text(R.id.classify_facts).endsWith("text was cut at the model's limit"));
    }

    @Test
    public void aSampleSentenceIsTakenOver() throws Exception {
        activity.<Spinner>findViewById(R.id.classify_samples).setSelection(1);
        settle();
        assertEquals(activity.getResources().getStringArray(R.array.samples_single)[0], text(R.id.classify_text));
    }

    @Test
    public void rotationKeepsTextAndAnswer() throws Exception {
        classify("A warm, funny film.");
        String rows = texts(activity.findViewById(R.id.classify_rows));
        MainActivity before = activity;
        rotate("+land");
        assertNotSame(before, activity);
        assertEquals("A warm, funny film.", text(R.id.classify_text));
        assertEquals(rows, texts(activity.findViewById(R.id.classify_rows)));
        assertTrue(activity.getWindow().getDecorView().getWidth() > activity.getWindow().getDecorView().getHeight());
        picture("classify-landscape");
    }

    @Test
    public void selfTestPasses() throws Exception {
        tab(R.id.tab_self_test);
        click(R.id.self_test_run);
        String lines = texts(activity.findViewById(R.id.self_test_lines));
        assertEquals(lines, session().artifacts().size(), activity.<LinearLayout>findViewById(R.id.self_test_lines).getChildCount());
        assertTrue(lines, lines.contains("PASSED") && !lines.contains("FAILED") && lines.contains("ids equal in "));
    }

    @Test
    public void benchmarkMeasuresAndSharesRawNanoseconds() throws Exception {
        tab(R.id.tab_benchmark);
        measure("12");
        assertTrue(text(R.id.benchmark_summary), text(R.id.benchmark_summary).contains("p50 "));
        click(R.id.benchmark_share);
        Intent chooser = Shadows.shadowOf(activity).getNextStartedActivity();
        JsonValue json = Json.parse(chooser.<Intent>getParcelableExtra(Intent.EXTRA_INTENT).getStringExtra(Intent.EXTRA_TEXT));
        assertEquals(12, json.get("latencies_ns").items().size());
        assertEquals(session().bundle().manifest.digest, json.get("bundle_digest").string());
        assertTrue(json.get("device").has("model") && json.get("before").has("thermal_status"));
    }

    private void measure(String runs) throws Exception {
        type(R.id.benchmark_tokens, "8");
        type(R.id.benchmark_warmup, "1");
        type(R.id.benchmark_runs, runs);
        click(R.id.benchmark_run);
    }

    @Test
    public void badNumbersAreAMessage() throws Exception {
        tab(R.id.tab_benchmark);
        for (String bad : new String[] {"", "0", "100000"}) {
            type(R.id.benchmark_tokens, bad);
            click(R.id.benchmark_run);
            assertTrue(visible(R.id.benchmark_error));
        }
    }

    @Test
    public void bundlesAreListedDeletedAndImportedWhenPushed() throws Exception {
        tab(R.id.tab_bundles);
        String lines = texts(activity.findViewById(R.id.bundles_lines));
        assertTrue(lines, lines.contains("text-classification from ") && lines.contains("In use") && lines.contains("sha256 "));
        demo.bundles.delete(session().bundle().manifest.digest);
        settle();
        assertEquals("", texts(activity.findViewById(R.id.bundles_lines)));
        tab(R.id.tab_classify);
        assertTrue(text(R.id.classify_error), text(R.id.classify_error).startsWith("app: has no bundle") || !session().artifacts().isEmpty());
        push();
        tab(R.id.tab_bundles);
        click(R.id.bundles_pushed);
        assertFalse(text(R.id.bundles_error), visible(R.id.bundles_error));
        assertTrue(texts(activity.findViewById(R.id.bundles_lines)).contains("In use"));
    }

    /** Puts the bundle where adb would. */
    private String push() throws Exception {
        Path bundle = Paths.get(System.getProperty("bundle.dir"));
        String digest = org.squeezebert.demo.core.Bundle.open(bundle).manifest.digest;
        Path target = new File(activity.getExternalFilesDir(null), "pushed/" + digest).toPath();
        try (Stream<Path> files = Files.walk(bundle)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path copy = target.resolve(bundle.relativize(file).toString());
                if (Files.isDirectory(file)) Files.createDirectories(copy);
                else Files.copy(file, copy);
            }
        }
        return digest;
    }

    @Test
    public void aDamagedBuiltInBundleIsCopiedAgain() throws Exception {
        String digest = session().bundle().manifest.digest;
        Files.write(demo.getFilesDir().toPath().resolve("bundles/" + digest + "/vocab.txt"), new byte[3]);
        demo.bundles.activate(digest);
        settle();
        assertFalse(text(R.id.bundles_error), visible(R.id.bundles_error));
        classify("good");
        assertFalse(visible(R.id.classify_error));
    }

    @Test
    public void aHostMeasuresWithARunId() throws Exception {
        String digest = push();
        String artifact = session().artifacts().get(0).path;
        Intent intent = new Intent(activity, MainActivity.class).putExtra("run_id", "run-1").putExtra("bundle", digest).putExtra("artifact", artifact)
            .putExtra("threads", 1).putExtra("tokens", 8).putExtra("warmup", 1).putExtra("min_runs", 5);
        controller.newIntent(intent);
        settle();
        Path runs = new File(activity.getExternalFilesDir(null), "runs").toPath();
        JsonValue status = Json.parse(new String(Files.readAllBytes(runs.resolve("run-1.status.json")), "UTF-8"));
        assertEquals("done", status.get("state").string());
        JsonValue result = Json.parse(new String(Files.readAllBytes(runs.resolve("run-1.json")), "UTF-8"));
        assertEquals("run-1", result.get("run_id").string());
        assertEquals(5, result.get("latencies_ns").items().size());
        controller.newIntent(new Intent(intent).putExtra("run_id", "run-2").putExtra("artifact", "none.onnx"));
        settle();
        status = Json.parse(new String(Files.readAllBytes(runs.resolve("run-2.status.json")), "UTF-8"));
        assertEquals("failed", status.get("state").string());
        assertTrue(text(R.id.benchmark_error), text(R.id.benchmark_error).startsWith("none.onnx: is not an artifact"));
    }

    @Test
    public void aSecondTextIsUsedForPairs() throws Exception {
        type(R.id.classify_second, "Another sentence.");
        classify("A sentence.");
        assertFalse(visible(R.id.classify_error));
        assertTrue(visible(R.id.classify_second));
    }

    private void pictures(String variant) throws Exception {
        classify("The acting is superb — Señor Müller, 映画 and 😀 too.");
        picture("classify-" + variant);
        tab(R.id.tab_self_test);
        click(R.id.self_test_run);
        picture("self-test-" + variant);
        tab(R.id.tab_benchmark);
        measure("60");
        picture("benchmark-" + variant);
        tab(R.id.tab_bundles);
        settle();
        picture("bundles-" + variant);
        tab(R.id.tab_about);
        picture("about-" + variant);
    }

    @Test
    @Config(qualifiers = PHONE)
    public void picturesOfAPhone() throws Exception {
        pictures("phone-light");
    }

    @Test
    @Config(qualifiers = "w393dp-h786dp-night-xhdpi")
    public void picturesOfADarkPhone() throws Exception {
        pictures("phone-dark");
    }

    @Test
    @Config(qualifiers = "w800dp-h1280dp-mdpi")
    public void picturesOfATablet() throws Exception {
        pictures("tablet-light");
    }

    @Test
    @Config(qualifiers = "w800dp-h1280dp-night-mdpi")
    public void picturesOfADarkTablet() throws Exception {
        pictures("tablet-dark");
    }
}
