package org.squeezebert.demo.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNotNull;
import static org.junit.Assert.assertNotSame;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.junit.Assume.assumeFalse;
import static org.junit.Assume.assumeTrue;

import android.Manifest;
import android.annotation.TargetApi;
import android.app.Activity;
import android.content.ComponentCallbacks2;
import android.content.ComponentName;
import android.content.ContentResolver;
import android.content.DialogInterface;
import android.content.Intent;
import android.content.pm.ActivityInfo;
import android.content.pm.ApplicationInfo;
import android.content.pm.ProviderInfo;
import android.database.Cursor;
import android.graphics.Insets;
import android.graphics.Rect;
import android.graphics.drawable.AdaptiveIconDrawable;
import android.graphics.drawable.Drawable;
import android.net.Uri;
import android.os.BatteryManager;
import android.os.Build;
import android.os.Looper;
import android.os.PowerManager;
import android.provider.OpenableColumns;
import android.text.Spanned;
import android.view.View;
import android.view.ViewGroup;
import android.view.WindowInsets;
import android.widget.EditText;
import android.widget.HorizontalScrollView;
import android.widget.LinearLayout;
import android.widget.ProgressBar;
import android.widget.ScrollView;
import android.widget.Spinner;
import android.widget.TextView;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileNotFoundException;
import java.io.FilePermission;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.Permission;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.BeforeClass;
import org.junit.Test;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.Shadows;
import org.robolectric.annotation.Config;
import org.robolectric.shadows.ShadowAlertDialog;
import org.robolectric.util.ReflectionHelpers;
import org.robolectric.util.ReflectionHelpers.ClassParameter;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.JsonValue;

/** Every screen with the built-in bundle and the real ONNX Runtime. */
public class RealBundleTest extends ScreenTest {
    private static final String PHONE = "w393dp-h786dp-xhdpi";
    private static final int[] TABS = {R.id.tab_classify, R.id.tab_self_test, R.id.tab_benchmark, R.id.tab_bundles, R.id.tab_about};

    @BeforeClass
    public static void requireBundle() {
        assumeFalse("no bundle: pass -Dbundle.dir=FOLDER", System.getProperty("bundle.dir", "").isEmpty());
    }

    private static Path bundle() {
        return Paths.get(System.getProperty("bundle.dir"));
    }

    private void classify(String text) throws Exception {
        type(R.id.classify_text, text);
        click(R.id.classify_run);
    }

    @Test
    public void classifiesWithLabelsBarsAndTimes() throws Exception {
        assertTrue(text(R.id.classify_model), text(R.id.classify_model).startsWith("Text classification · ONNX Runtime · "));
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
        activity.<LinearLayout>findViewById(R.id.classify_samples).getChildAt(0).performClick();
        settle();
        assertTrue(text(R.id.classify_headline), text(R.id.classify_headline).matches("\\p{Lu}\\w*, \\d+\\.\\d %"));
        assertEquals(activity.getResources().getStringArray(R.array.samples_single)[0], text(R.id.classify_text));
    }

    @Test
    public void rotationKeepsTextAndAnswer() throws Exception {
        String typed = "A warm, funny film — Señor Müller, 映画 and 😀 too.";
        classify(typed);
        String rows = texts(activity.findViewById(R.id.classify_rows));
        List<Integer> bars = bars();
        MainActivity before = activity;
        rotate("+land");
        assertNotSame(before, activity);
        assertEquals(typed, text(R.id.classify_text));
        assertEquals(rows, texts(activity.findViewById(R.id.classify_rows)));
        assertEquals(bars, bars());
        assertTrue(activity.getWindow().getDecorView().getWidth() > activity.getWindow().getDecorView().getHeight());
        picture("classify-landscape"); // drawing may scroll
        assertTrue("the answer is in sight", activity.findViewById(R.id.classify_rows).getGlobalVisibleRect(new Rect()));
    }

    private List<Integer> bars() {
        List<Integer> bars = new ArrayList<>();
        LinearLayout rows = activity.findViewById(R.id.classify_rows);
        for (int i = 0; i < rows.getChildCount(); i++) bars.add(rows.getChildAt(i).<ProgressBar>findViewById(R.id.row_bar).getProgress());
        return bars;
    }

    @Test
    public void selfTestPasses() throws Exception {
        tab(R.id.tab_self_test);
        click(R.id.self_test_run);
        assertTrue(text(R.id.self_test_headline), text(R.id.self_test_headline).startsWith("This phone computes what the reference computed: "));
        String lines = texts(activity.findViewById(R.id.self_test_lines));
        assertEquals(lines, session().artifacts().size(), activity.<LinearLayout>findViewById(R.id.self_test_lines).getChildCount());
        assertTrue(lines, lines.contains("PASSED") && !lines.contains("FAILED") && lines.contains("ids equal in "));
    }

    @Test
    public void benchmarkMeasuresAndSavesRawNanoseconds() throws Exception {
        tab(R.id.tab_benchmark);
        measure("12");
        assertTrue(text(R.id.card_p50), text(R.id.card_p50).matches("\\d+\\.\\d\\d ms"));
        assertTrue(text(R.id.card_conditions), text(R.id.card_conditions).endsWith("8 tokens · 1 thread · 12 runs"));
        click(R.id.benchmark_save);
        Intent asked = Shadows.shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_CREATE_DOCUMENT, asked.getAction());
        Uri chosen = Uri.parse("content://files/result.json");
        ByteArrayOutputStream saved = new ByteArrayOutputStream();
        Shadows.shadowOf(activity.getContentResolver()).registerOutputStream(chosen, saved);
        Shadows.shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(chosen));
        settle();
        assertTrue("the figures stay", visible(R.id.benchmark_chart_card));
        JsonValue json = Json.parse(saved.toString("UTF-8"));
        assertEquals(12, json.get("cases").items().get(0).get("latencies_ns").items().size());
        assertEquals(session().bundle().manifest.digest, json.get("cases").items().get(0).get("artifact").get("bundle").string());
        assertTrue(json.get("device").has("fingerprint") && json.get("states").items().get(0).has("thermal_status"));
        assertTrue("the measuring thread was seen on a core", json.get("cores_used").items().size() > 0);
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
        assertTrue(lines, lines.contains("Text classification from ") && lines.contains("In use") && lines.contains("sha256 "));
        demo.bundles.delete(session().bundle().manifest.digest);
        settle();
        assertEquals("", texts(activity.findViewById(R.id.bundles_lines)));
        assertTrue(visible(R.id.bundles_empty));
        push(bundle());
        tab(R.id.tab_bundles);
        click(R.id.bundles_pushed);
        assertFalse(text(R.id.bundles_error), visible(R.id.bundles_error));
        assertTrue(texts(activity.findViewById(R.id.bundles_lines)).contains("In use"));
    }

    /** The file picker's answer with these bytes behind it. */
    private void pick(byte[] document) throws Exception {
        click(R.id.bundles_import);
        Intent asked = Shadows.shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.getAction());
        Uri uri = Uri.parse("content://files/picked.zip");
        Shadows.shadowOf(activity.getContentResolver()).registerInputStream(uri, new ByteArrayInputStream(document));
        Shadows.shadowOf(activity).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(uri));
        settle();
    }

    @Test
    public void aZipFromTheFilePickerIsImported() throws Exception {
        demo.bundles.delete(session().bundle().manifest.digest);
        tab(R.id.tab_bundles);
        ByteArrayOutputStream zipped = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(zipped)) {
            for (Path file : files(bundle())) {
                zip.putNextEntry(new ZipEntry(bundle().relativize(file).toString()));
                Files.copy(file, zip);
            }
        }
        pick("<html>404</html>".getBytes(StandardCharsets.US_ASCII));
        assertTrue(text(R.id.bundles_error), text(R.id.bundles_error).startsWith("picked.zip: is not a plain zip file ("));
        assertEquals("", texts(activity.findViewById(R.id.bundles_lines)));
        pick(zipped.toByteArray());
        assertFalse(text(R.id.bundles_error), visible(R.id.bundles_error));
        assertTrue(texts(activity.findViewById(R.id.bundles_lines)).contains("In use"));
    }

    @Test
    public void deletingAsksFirst() throws Exception {
        tab(R.id.tab_bundles);
        click(R.id.line_delete);
        ShadowAlertDialog.getLatestAlertDialog().getButton(DialogInterface.BUTTON_NEGATIVE).performClick();
        settle();
        assertTrue(texts(activity.findViewById(R.id.bundles_lines)).contains("In use"));
        click(R.id.line_delete);
        ShadowAlertDialog.getLatestAlertDialog().getButton(DialogInterface.BUTTON_POSITIVE).performClick();
        settle();
        assertEquals("", texts(activity.findViewById(R.id.bundles_lines)));
    }

    @Test
    public void aPhoneInNoStateToMeasureIsSaid() throws Exception {
        Shadows.shadowOf(activity.getSystemService(BatteryManager.class)).setIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY, 15);
        RuntimeEnvironment.getApplication().sendStickyBroadcast(
            new Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_PLUGGED, BatteryManager.BATTERY_PLUGGED_USB));
        String thermal = "unknown"; // Android 8 and 9 do not tell
        if (Build.VERSION.SDK_INT >= 29) {
            Shadows.shadowOf(activity.getSystemService(PowerManager.class)).setCurrentThermalStatus(PowerManager.THERMAL_STATUS_SEVERE);
            thermal = "severe";
        }
        tab(R.id.tab_benchmark);
        measure("12");
        assertEquals("Thermal status " + thermal + ", battery 15 %, charging", text(R.id.benchmark_device));
        String validity = text(R.id.benchmark_validity);
        assertTrue(validity, validity.startsWith("Not valid: ") && validity.contains("battery at 15 %, at least 20 % needed"));
        assertEquals(validity, Build.VERSION.SDK_INT >= 29, validity.contains("thermal status 3, moderate or worse"));
        assertEquals(activity.getColor(R.color.bad), activity.<TextView>findViewById(R.id.benchmark_validity).getCurrentTextColor());
    }

    @Test
    public void leavingTheAppCancelsAMeasurementAndMarksIt() throws Exception {
        tab(R.id.tab_benchmark);
        type(R.id.benchmark_tokens, "8");
        type(R.id.benchmark_runs, "999999");
        activity.findViewById(R.id.benchmark_run).performClick();
        Shadows.shadowOf(Looper.getMainLooper()).idle();
        while (demo.benchmark.state().fraction == 0) Thread.sleep(10);
        controller.pause().stop();
        settle();
        controller.start().resume();
        settle();
        String validity = text(R.id.benchmark_validity);
        assertTrue(validity, validity.contains("cancelled") && validity.contains("the app was not in front for the whole run"));
        tab(R.id.tab_benchmark);
        measure("12");
        assertFalse(text(R.id.benchmark_validity), text(R.id.benchmark_validity).contains("in front"));
    }

    @Test
    public void aHostIsToldThatTheFoldersAreTheApps() throws Exception {
        for (File folder : new File[] {activity.getExternalFilesDir(null), activity.getFilesDir()}) {
            JsonValue ready = Json.parse(new String(Files.readAllBytes(new File(folder, "ready.json").toPath()), "UTF-8"));
            assertEquals(4, ready.get("contract").whole());
        }
    }

    @Test
    public void cancelEndsAMeasurement() throws Exception {
        tab(R.id.tab_benchmark);
        type(R.id.benchmark_tokens, "8");
        type(R.id.benchmark_runs, "999999");
        activity.findViewById(R.id.benchmark_run).performClick();
        Shadows.shadowOf(Looper.getMainLooper()).idle();
        assertFalse(activity.findViewById(R.id.benchmark_run).isEnabled());
        click(R.id.benchmark_cancel);
        assertTrue(text(R.id.benchmark_validity), text(R.id.benchmark_validity).contains("cancelled"));
        assertTrue(activity.findViewById(R.id.benchmark_run).isEnabled());
    }

    @Test
    @Config(qualifiers = PHONE)
    public void everyControlHasANameForTalkBackAndRoomForAFinger() throws Exception {
        classify("A warm, funny film.");
        for (int tab : TABS) {
            tab(tab);
            List<View> controls = new ArrayList<>();
            controls(activity.findViewById(android.R.id.content), controls);
            assertTrue(controls.size() >= TABS.length);
            for (View control : controls) {
                String where = activity.getResources().getResourceEntryName(tab) + ": " + control;
                assertTrue(where, !spoken(control).isEmpty());
                int finger = (int) (48 * activity.getResources().getDisplayMetrics().density);
                if (control.isClickable()) assertTrue(where, control.getHeight() >= finger);
            }
        }
    }

    /** What TalkBack stops at: visible views that can be pressed, and those that the layouts give a focus. */
    private static void controls(View view, List<View> found) {
        if (view.getVisibility() != View.VISIBLE) return;
        boolean scrolls = view instanceof ScrollView || view instanceof HorizontalScrollView;
        if ((view.isClickable() || view.isFocusable()) && !scrolls) found.add(view);
        for (int i = 0; view instanceof ViewGroup && !(view instanceof Spinner) && i < ((ViewGroup) view).getChildCount(); i++) {
            controls(((ViewGroup) view).getChildAt(i), found);
        }
    }

    /** Its own text, its description, or the text of the view that is its label. */
    private String spoken(View control) {
        if (control.getContentDescription() != null) return control.getContentDescription().toString();
        if (control instanceof TextView && !(control instanceof EditText)) return ((TextView) control).getText().toString();
        return label(activity.findViewById(android.R.id.content), control.getId());
    }

    private static String label(View view, int id) {
        if (view instanceof TextView && view.getLabelFor() == id) return ((TextView) view).getText().toString();
        String found = "";
        for (int i = 0; view instanceof ViewGroup && i < ((ViewGroup) view).getChildCount(); i++) found += label(((ViewGroup) view).getChildAt(i), id);
        return found;
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

    /** Chooses the other file of the bundle for a comparison, where it has two that run here. */
    private void compareWithTheOther() throws Exception {
        Spinner others = activity.findViewById(R.id.classify_other);
        others.setSelection(others.getCount() - 1);
        settle();
    }

    @Test
    public void theAnswerAppearsWhileOneTypesAndTheEmptyScreenSaysSo() throws Exception {
        assertTrue(visible(R.id.classify_empty) && !visible(R.id.classify_answer) && !visible(R.id.classify_import));
        type(R.id.classify_text, "A warm, funny film.");
        assertFalse("not at each key", demo.classify.state().busy);
        settle();
        assertTrue(visible(R.id.classify_answer) && visible(R.id.classify_token_card) && !visible(R.id.classify_empty));
        String first = text(R.id.classify_headline);
        type(R.id.classify_text, "A warm, funny film. Two hours of noise, and not a single joke lands.");
        settle();
        assertTrue(text(R.id.classify_facts), text(R.id.classify_facts).matches("\\d+ tokens, \\d+ % unknown") && !first.isEmpty());
        type(R.id.classify_text, "");
        settle();
        assertTrue(visible(R.id.classify_empty) && !visible(R.id.classify_answer));
    }

    @Test
    public void everyPieceOfTheTextIsShownAndUnknownOnesSaySo() throws Exception {
        classify("good \uD83D\uDE00");
        String tokens = text(R.id.classify_tokens);
        assertTrue(tokens, tokens.startsWith("[CLS] ") && tokens.contains("unknown: \uD83D\uDE00") && tokens.endsWith("[SEP] "));
        Spanned spanned = (Spanned) activity.<TextView>findViewById(R.id.classify_tokens).getText();
        assertEquals(demo.classify.state().answer.tokens, spanned.getSpans(0, spanned.length(), PieceSpan.class).length);
    }

    @Test
    public void twoFilesAreSeenSideBySide() throws Exception {
        assumeTrue("needs a bundle with two files for this runtime", session().artifacts().size() > 1);
        classify("A warm, funny film.");
        assertFalse(visible(R.id.classify_compare));
        compareWithTheOther();
        LinearLayout columns = activity.findViewById(R.id.classify_columns);
        assertEquals(2, columns.getChildCount());
        for (int i = 0; i < 2; i++) {
            String column = texts(columns.getChildAt(i));
            assertTrue(column, column.matches("(?s)ONNX Runtime · .*, \\d+\\.\\d %\n\\d+\\.\\d\\d ms\n.* MB\ncold load .* ms\n"));
        }
        assertTrue(text(R.id.classify_verdict), text(R.id.classify_verdict).contains("fast"));
        activity.<Spinner>findViewById(R.id.classify_other).setSelection(0);
        settle();
        assertFalse(visible(R.id.classify_compare));
        assertTrue(visible(R.id.classify_answer));
    }

    @Test
    public void aResultIsSharedAsAFileThatCanOnlyBeRead() throws Exception {
        tab(R.id.tab_benchmark);
        assertTrue(visible(R.id.benchmark_empty) && !visible(R.id.benchmark_chart_card));
        measure("12");
        click(R.id.benchmark_share);
        Intent chooser = Shadows.shadowOf(activity).getNextStartedActivity();
        assertEquals(Intent.ACTION_CHOOSER, chooser.getAction());
        Intent send = chooser.getParcelableExtra(Intent.EXTRA_INTENT);
        Uri shared = send.getParcelableExtra(Intent.EXTRA_STREAM);
        assertEquals(shared, send.getClipData().getItemAt(0).getUri());
        assertEquals(Intent.FLAG_GRANT_READ_URI_PERMISSION, send.getFlags());
        ContentResolver resolver = activity.getContentResolver();
        assertEquals("application/json", resolver.getType(shared));
        ByteArrayOutputStream read = new ByteArrayOutputStream();
        try (InputStream in = resolver.openInputStream(shared)) {
            for (int one = in.read(); one >= 0; one = in.read()) read.write(one);
        }
        assertEquals(12, Json.parse(read.toString("UTF-8")).get("cases").items().get(0).get("latencies_ns").items().size());
        try (Cursor cursor = resolver.query(shared, null, null, null, null)) {
            assertTrue(cursor.moveToFirst());
            assertEquals("squeezebert-benchmark.json", cursor.getString(cursor.getColumnIndex(OpenableColumns.DISPLAY_NAME)));
            assertEquals(read.size(), cursor.getLong(cursor.getColumnIndex(OpenableColumns.SIZE)));
        }
        assertThrows(SecurityException.class, () -> resolver.openOutputStream(shared));
        assertThrows(UnsupportedOperationException.class, () -> resolver.delete(shared, null, null));
        for (String other : new String[] {"..%2Fhistory.json", "history.json", "..%2F..%2Ffiles%2Fready.json", "a/squeezebert-benchmark.json"}) {
            Uri outside = Uri.parse("content://org.squeezebert.demo.app.results/" + other);
            assertThrows(other, FileNotFoundException.class, () -> resolver.openInputStream(outside));
        }
        ProviderInfo declared = demo.getPackageManager().resolveContentProvider(shared.getAuthority(), 0);
        assertTrue(!declared.exported && declared.grantUriPermissions);
    }

    @Test
    public void formerMeasurementsStayUntilTheyAreCleared() throws Exception {
        tab(R.id.tab_benchmark);
        measure("12");
        measure("16");
        String history = texts(activity.findViewById(R.id.benchmark_history));
        assertEquals(history, 2, activity.<LinearLayout>findViewById(R.id.benchmark_history).getChildCount());
        assertTrue(history, history.contains("16 runs") && history.indexOf("16 runs") < history.indexOf("12 runs"));
        demo.benchmark.refresh(); // as the next start of the app does
        settle();
        assertEquals(history, texts(activity.findViewById(R.id.benchmark_history)));
        click(R.id.benchmark_clear);
        assertFalse(visible(R.id.benchmark_history_card));
        assertTrue("the last result stays", visible(R.id.benchmark_chart_card));
    }

    @Test
    public void withoutABundleTheWayToOneIsShown() throws Exception {
        demo.bundles.delete(session().bundle().manifest.digest);
        settle();
        if (session().bundle() != null) return; // the built-in one comes back
        assertTrue(visible(R.id.classify_empty) && visible(R.id.classify_import));
        click(R.id.classify_import);
        assertTrue(visible(R.id.screen_bundles));
    }

    @Test
    public void backLeadsToTheFirstScreenAndOnlyFromThereOut() throws Exception {
        if (Build.VERSION.SDK_INT >= 33) { // Robolectric's parser passes the manifest's attribute over
            ReflectionHelpers.callInstanceMethod(activity.getApplicationInfo(), "setEnableOnBackInvokedCallback", ClassParameter.from(boolean.class, true));
        }
        tab(R.id.tab_bundles);
        back();
        assertTrue(visible(R.id.screen_classify) && !activity.isFinishing());
        back();
        assertTrue(activity.isFinishing() || Build.VERSION.SDK_INT >= 31); // from Android 12 on the system keeps it in the background
    }

    private void back() throws Exception {
        if (Build.VERSION.SDK_INT >= 33) {
            Object window = ReflectionHelpers.getField(activity.getOnBackInvokedDispatcher(), "mActualDispatcher");
            Object callback = ReflectionHelpers.callInstanceMethod(window, "getTopCallback");
            ReflectionHelpers.callInstanceMethod(callback, "onBackInvoked");
        } else {
            activity.onBackPressed();
        }
        settle();
    }

    @Test
    @Config(qualifiers = PHONE)
    public void nothingLiesUnderTheSystemsBars() throws Exception {
        assumeTrue("insets are made by hand from Android 11 on", Build.VERSION.SDK_INT >= 30);
        View content = activity.findViewById(R.id.content);
        View bar = activity.findViewById(R.id.bar);
        dispatch(0);
        assertEquals(Arrays.asList(24, 0, 48), Arrays.asList(content.getPaddingTop(), content.getPaddingBottom(), bar.getPaddingBottom()));
        assertTrue(visible(R.id.bar));
        dispatch(600);
        assertEquals(600, content.getPaddingBottom());
        assertFalse("the keyboard takes the bar's place", visible(R.id.bar));
        rotate("+land");
        dispatch(0);
        assertEquals(48, activity.findViewById(R.id.content).getPaddingBottom());
        assertTrue("a rail beside the screens", activity.findViewById(R.id.bar).getHeight() > activity.findViewById(R.id.bar).getWidth());
    }

    @TargetApi(30)
    private void dispatch(int keyboard) throws Exception {
        WindowInsets insets = new WindowInsets.Builder().setInsets(WindowInsets.Type.statusBars(), Insets.of(0, 24, 0, 0))
            .setInsets(WindowInsets.Type.navigationBars(), Insets.of(0, 0, 0, 48)).setInsets(WindowInsets.Type.ime(), Insets.of(0, 0, 0, keyboard)).build();
        activity.findViewById(R.id.root).dispatchApplyWindowInsets(insets);
        settle();
    }

    @Test
    @Config(qualifiers = "w800dp-h1280dp-mdpi")
    public void aTabletShowsTextAndAnswerBesideEachOther() throws Exception {
        classify("A warm, funny film.");
        Rect text = new Rect();
        Rect answer = new Rect();
        activity.findViewById(R.id.classify_text).getGlobalVisibleRect(text);
        activity.findViewById(R.id.classify_answer).getGlobalVisibleRect(answer);
        assertTrue(text + " " + answer, answer.left > text.right && answer.top < text.bottom);
    }

    @Test
    public void noFileIsTouchedOnTheMainThread() throws Exception {
        Set<String> folders = new HashSet<>();
        for (File folder : new File[] {demo.getDataDir(), demo.getFilesDir(), demo.getCacheDir(), demo.getExternalFilesDir(null)}) folders.add(folder.getPath());
        Thread main = Looper.getMainLooper().getThread();
        Set<String> touched = ConcurrentHashMap.newKeySet();
        System.setSecurityManager(new SecurityManager() {
            @Override
            public void checkPermission(Permission asked) {
                boolean apps = folders.stream().anyMatch(folder -> asked.getName().startsWith(folder + "/")) && !folders.contains(asked.getName());
                if (asked instanceof FilePermission && apps && Thread.currentThread() == main) touched.add(asked.getActions() + " " + asked.getName());
            }
        });
        try {
            controller.recreate();
            activity = controller.get();
            classify("A warm, funny film.");
            compareWithTheOther();
            tab(R.id.tab_self_test);
            click(R.id.self_test_run);
            tab(R.id.tab_benchmark);
            measure("12");
            click(R.id.benchmark_share);
            tab(R.id.tab_bundles);
            demo.bundles.refresh();
            tab(R.id.tab_about);
            settle();
            assertEquals(Collections.emptySet(), touched);
            assertFalse(new File(demo.getFilesDir(), "no such file").exists());
            assertEquals("the watch works", 1, touched.size());
        } finally {
            System.setSecurityManager(null);
        }
    }

    @Test
    public void theColoursAreTheSystemsFromAndroid12On() {
        int systems = Build.VERSION.SDK_INT >= 31 ? activity.getColor(android.R.color.system_accent1_600) : 0xFF00695C;
        assertEquals(systems, activity.getColor(R.color.accent));
    }

    @Test
    public void theLauncherCanCutAndTintTheIcon() {
        Drawable icon = activity.getApplicationInfo().loadIcon(activity.getPackageManager());
        assertTrue(icon instanceof AdaptiveIconDrawable);
        if (Build.VERSION.SDK_INT >= 33) assertNotNull(((AdaptiveIconDrawable) icon).getMonochrome());
    }

    @Test
    @Config(qualifiers = "de")
    public void theScreensSpeakGerman() throws Exception {
        classify("A warm, funny film.");
        assertTrue(text(R.id.classify_headline), text(R.id.classify_headline).matches("\\p{Lu}\\w*, \\d+,\\d %"));
        assertTrue(text(R.id.classify_times), text(R.id.classify_times).startsWith("zerlegen "));
        assertEquals("Probieren", text(R.id.title));
    }

    @Test
    public void threadsGoUpToThePhonesCores() {
        Spinner threads = activity.findViewById(R.id.classify_threads);
        int most = Integer.parseInt((String) threads.getItemAtPosition(threads.getCount() - 1));
        int cores = Runtime.getRuntime().availableProcessors();
        assertTrue(most <= cores && 2 * most > cores);
    }

    @Test
    public void aPastedTextIsNoLongerThanAStateMayHold() throws Exception {
        char[] pasted = new char[300_000];
        Arrays.fill(pasted, 'a');
        type(R.id.classify_text, new String(pasted));
        assertEquals(100_000, text(R.id.classify_text).length());
    }

    @Test
    public void aHostMeasuresWithARunId() throws Exception {
        String digest = push(bundle());
        String artifact = digest + "/" + session().artifacts().get(0).path;
        Intent intent = new Intent(activity, MainActivity.class).putExtra("run_id", "run-1").putExtra("artifacts", artifact)
            .putExtra("threads", 1).putExtra("tokens", 8).putExtra("warmup", 1).putExtra("min_runs", 5);
        controller.newIntent(intent);
        settle();
        Path runs = new File(activity.getExternalFilesDir(null), "runs").toPath();
        JsonValue status = Json.parse(new String(Files.readAllBytes(runs.resolve("run-1.status.json")), "UTF-8"));
        assertEquals("done", status.get("state").string());
        JsonValue result = Json.parse(new String(Files.readAllBytes(runs.resolve("run-1.json")), "UTF-8"));
        assertEquals("run-1", result.get("run_id").string());
        assertEquals("two turns of four", 8, result.get("cases").items().get(0).get("latencies_ns").items().size());
        controller.newIntent(new Intent(intent).putExtra("run_id", "run-2").putExtra("artifacts", digest + "/none.onnx"));
        settle();
        status = Json.parse(new String(Files.readAllBytes(runs.resolve("run-2.status.json")), "UTF-8"));
        assertEquals("failed", status.get("state").string());
        assertTrue(text(R.id.benchmark_error), text(R.id.benchmark_error).startsWith("none.onnx: is not an artifact"));
    }

    @Test
    public void aReleaseBuildMeasuresForTheShellAlone() throws Exception {
        demo.getApplicationInfo().flags &= ~ApplicationInfo.FLAG_DEBUGGABLE;
        Intent intent = new Intent(activity, MainActivity.class).putExtra("run_id", "asked")
            .putExtra("artifacts", push(bundle()) + "/" + session().artifacts().get(0).path).putExtra("tokens", 8).putExtra("warmup", 1).putExtra("min_runs", 5);
        Path status = new File(activity.getExternalFilesDir(null), "runs/asked.status.json").toPath();
        controller.newIntent(intent);
        settle();
        assertFalse(Files.exists(status));
        ActivityInfo entry = demo.getPackageManager().getActivityInfo(new ComponentName(demo, "org.squeezebert.demo.app.Measure"), 0);
        assertEquals(Manifest.permission.DUMP, entry.permission);
        controller.newIntent(new Intent(intent).setComponent(new ComponentName(demo, entry.name)));
        settle();
        assertTrue(Files.exists(status));
    }

    @Test
    public void aModelInTheBackgroundIsUnloadedAndLoadedAgain() throws Exception {
        classify("good");
        demo.onTrimMemory(ComponentCallbacks2.TRIM_MEMORY_BACKGROUND);
        settle();
        assertFalse(session().isLoaded());
        classify("good");
        assertFalse(visible(R.id.classify_error));
        assertTrue(session().isLoaded());
    }

    @Test
    public void aboutNamesVersionsAndTheBundle() throws Exception {
        tab(R.id.tab_about);
        String versions = text(R.id.about_versions);
        assertTrue(versions, versions.contains("Runtimes: ONNX Runtime " + EngineProvider.installed().get("onnx").version()) && versions.contains("Bundle: " + session().bundle().manifest.digest));
        assertFalse(visible(R.id.about_error));
    }

    @Test
    public void aSecondTextIsUsedForPairs() throws Exception {
        assertFalse(visible(R.id.classify_second));
        click(R.id.classify_add_second);
        assertTrue(visible(R.id.classify_second) && !visible(R.id.classify_add_second));
        classify("A sentence.");
        int alone = demo.classify.state().answer.tokens;
        type(R.id.classify_second, "Another sentence.");
        settle();
        assertTrue(demo.classify.state().answer.tokens > alone);
        assertFalse(visible(R.id.classify_error));
        assertTrue(visible(R.id.classify_second));
    }

    private void pictures(String variant) throws Exception {
        compareWithTheOther();
        type(R.id.classify_text, "Señor Müller adored the café, the film and its hobbits 😀");
        settle();
        picture("classify-" + variant);
        scrollDown(R.id.screen_classify);
        picture("compare-" + variant);
        tab(R.id.tab_self_test);
        click(R.id.self_test_run);
        picture("self-test-" + variant);
        tab(R.id.tab_benchmark);
        Shadows.shadowOf(activity.getSystemService(BatteryManager.class)).setIntProperty(BatteryManager.BATTERY_PROPERTY_CAPACITY, 80);
        measure("60");
        picture("benchmark-" + variant);
        scrollDown(R.id.screen_benchmark);
        picture("history-" + variant);
        tab(R.id.tab_bundles);
        settle();
        picture("bundles-" + variant);
        tab(R.id.tab_about);
        picture("about-" + variant);
    }

    private void scrollDown(int screen) throws Exception {
        ScrollView scroll = activity.findViewById(screen);
        scroll.scrollTo(0, scroll.getChildAt(0).getHeight());
        settle();
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
    @Config(qualifiers = PHONE, fontScale = 2)
    public void picturesWithLargeLetters() throws Exception {
        pictures("phone-large");
    }

    @Test
    @Config(qualifiers = "de-w393dp-h786dp-xhdpi")
    public void picturesInGerman() throws Exception {
        pictures("phone-german");
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
