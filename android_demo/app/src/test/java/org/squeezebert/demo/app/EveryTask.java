package org.squeezebert.demo.app;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import android.text.Spanned;
import android.text.style.BackgroundColorSpan;
import android.view.View;
import android.widget.LinearLayout;
import android.widget.TextView;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Test;
import org.robolectric.annotation.Config;
import org.squeezebert.internal.Json;
import org.squeezebert.internal.JsonValue;
import org.squeezebert.internal.TaskKind;
import org.squeezebert.internal.bench.RemoteRun;

/** The view of each task shows what Python answers. -Dtasks.dir names a folder with bundles and expected.json. */
public class EveryTask extends ScreenTest {
    private static final Path TASKS = Paths.get(System.getProperty("tasks.dir", ""));

    @Test
    @Config(qualifiers = "w393dp-h786dp-xhdpi")
    public void answersAsPythonDoes() throws Exception {
        JsonValue expected = Json.parse(new String(Files.readAllBytes(TASKS.resolve("expected.json")), StandardCharsets.UTF_8));
        for (String name : expected.keys()) {
            JsonValue want = expected.get(name);
            String id = want.get("task").string();
            TaskKind task = Arrays.stream(TaskKind.values()).filter(kind -> kind.id.equals(id)).findFirst().get();
            install(name, task);
            type(R.id.classify_text, want.get("text").string());
            type(R.id.classify_second, want.get("second").string());
            click(R.id.classify_run);
            assertFalse(text(R.id.classify_error), visible(R.id.classify_error));
            assertEquals(name, !want.get("second").string().isEmpty(), visible(R.id.classify_second));
            assertRows(name, want.get("rows").items());
            assertEquals(name, want.get("marked").strings(), marked());
            assertTrue(text(R.id.classify_facts), text(R.id.classify_facts).startsWith(want.get("tokens").count(1) + " tokens"));
        }
    }

    @Test
    @Config(qualifiers = "w393dp-h786dp-xhdpi")
    public void samplesFitTheTask() throws Exception {
        for (TaskKind task : TaskKind.values()) {
            install(task.id, task);
            LinearLayout samples = activity.findViewById(R.id.classify_samples);
            for (int sample = samples.getChildCount() - 1; sample >= 0; sample--) {
                samples.getChildAt(sample).performClick();
                settle();
                assertTrue(task.id, visible(R.id.classify_answer) && !text(R.id.classify_headline).isEmpty());
                assertFalse(task.id + ": " + text(R.id.classify_error), visible(R.id.classify_error));
            }
            picture("task-" + task.id);
        }
    }

    private void install(String folder, TaskKind task) throws Exception {
        String digest = push(TASKS.resolve(folder));
        demo.bundles.importPushed(new File(activity.getExternalFilesDir(null), RemoteRun.PUSHED).toPath());
        demo.bundles.activate(digest);
        settle();
        assertEquals(task, session().bundle().manifest.task);
    }

    private void assertRows(String name, List<JsonValue> want) throws Exception {
        LinearLayout rows = activity.findViewById(R.id.classify_rows);
        assertEquals(name, want.size(), rows.getChildCount());
        for (int i = 0; i < want.size(); i++) {
            View row = rows.getChildAt(i);
            String value = row.<TextView>findViewById(R.id.row_value).getText().toString();
            assertEquals(name, want.get(i).items().get(0).string(), row.<TextView>findViewById(R.id.row_label).getText().toString());
            // Percentages have one digit after the point, numbers four.
            double shown = Double.parseDouble(value.replace(" %", ""));
            assertEquals(name, want.get(i).items().get(1).number(), shown, value.endsWith(" %") ? 0.051 : 0.000051);
        }
    }

    private List<String> marked() {
        List<String> found = new ArrayList<>();
        CharSequence text = activity.<TextView>findViewById(R.id.classify_marked).getText();
        if (!(text instanceof Spanned)) return found;
        Spanned spanned = (Spanned) text;
        BackgroundColorSpan[] spans = spanned.getSpans(0, text.length(), BackgroundColorSpan.class);
        Arrays.sort(spans, (a, b) -> spanned.getSpanStart(a) - spanned.getSpanStart(b));
        for (BackgroundColorSpan span : spans) found.add(text.subSequence(spanned.getSpanStart(span), spanned.getSpanEnd(span)).toString());
        return found;
    }
}
