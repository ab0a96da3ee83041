package org.squeezebert.demo.app;

import static org.junit.Assert.assertTrue;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.os.Looper;
import android.view.View;
import android.view.ViewGroup;
import android.widget.RadioGroup;
import android.widget.TextView;
import java.io.File;
import java.io.FileOutputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.After;
import org.junit.Before;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.RuntimeEnvironment;
import org.robolectric.Shadows;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.squeezebert.internal.NanoClock;

/** An activity with the real application behind it; the worker is waited for, the main looper is idled. */
@RunWith(RobolectricTestRunner.class)
@Config(application = ScreenTest.RealTime.class)
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public abstract class ScreenTest {
    /** Robolectric's own clock stands still while nothing idles the looper. */
    public static final class RealTime extends DemoApplication {
        @Override
        protected NanoClock clock() {
            return NanoClock.SYSTEM;
        }
    }

    protected DemoApplication demo;
    protected ActivityController<MainActivity> controller;
    protected MainActivity activity;

    @Before
    public void start() throws Exception {
        demo = (DemoApplication) RuntimeEnvironment.getApplication();
        controller = Robolectric.buildActivity(MainActivity.class).setup();
        activity = controller.get();
        settle();
    }

    @After
    public void end() {
        demo.worker.shutdownNow();
    }

    /** Until the worker and the main thread have nothing more to do; each can give the other work. */
    protected void settle() throws Exception {
        for (int round = 0; round < 3; round++) {
            demo.worker.submit(() -> { }).get(15, TimeUnit.MINUTES); // a hang, not a slow machine
            Shadows.shadowOf(Looper.getMainLooper()).idleFor(1, TimeUnit.SECONDS); // animations included
        }
    }

    protected Session session() {
        return demo.session;
    }

    protected void tab(int id) throws Exception {
        activity.<RadioGroup>findViewById(R.id.tabs).check(id);
        settle();
    }

    protected void click(int id) throws Exception {
        View view = activity.findViewById(id);
        assertTrue("not enabled", view.isEnabled());
        assertTrue("not clickable", view.performClick());
        settle();
    }

    protected String text(int id) {
        return activity.<TextView>findViewById(id).getText().toString();
    }

    protected void type(int id, String text) {
        activity.<TextView>findViewById(id).setText(text);
    }

    protected boolean visible(int id) {
        return activity.findViewById(id).getVisibility() == View.VISIBLE;
    }

    /** All texts below a view, one per line. */
    protected static String texts(View view) {
        if (view instanceof TextView) return ((TextView) view).getText() + "\n";
        StringBuilder all = new StringBuilder();
        for (int i = 0; view instanceof ViewGroup && i < ((ViewGroup) view).getChildCount(); i++) all.append(texts(((ViewGroup) view).getChildAt(i)));
        return all.toString();
    }

    /** Puts a bundle where adb would; returns its digest. */
    protected String push(Path bundle) throws Exception {
        String digest = org.squeezebert.internal.Bundle.open(bundle).manifest.digest;
        Path target = new File(activity.getExternalFilesDir(null), "pushed/" + digest).toPath();
        for (Path file : files(bundle)) {
            Path copy = target.resolve(bundle.relativize(file).toString());
            Files.createDirectories(copy.getParent());
            Files.copy(file, copy);
        }
        return digest;
    }

    protected static List<Path> files(Path folder) throws Exception {
        try (Stream<Path> paths = Files.walk(folder)) {
            return paths.filter(Files::isRegularFile).collect(Collectors.toList());
        }
    }

    protected void rotate(String qualifiers) throws Exception {
        RuntimeEnvironment.setQualifiers(qualifiers);
        controller.configurationChange().visible(); // without visible() the new view is never laid out
        activity = controller.get();
        settle();
    }

    /** The window as it would be on the phone, kept as a PNG. */
    protected void picture(String name) throws Exception {
        View window = activity.getWindow().getDecorView();
        Bitmap bitmap = Bitmap.createBitmap(window.getWidth(), window.getHeight(), Bitmap.Config.ARGB_8888);
        window.draw(new Canvas(bitmap));
        File file = new File(System.getProperty("pictures.dir"), name + ".png");
        file.getParentFile().mkdirs();
        try (OutputStream out = new FileOutputStream(file)) {
            assertTrue(bitmap.compress(Bitmap.CompressFormat.PNG, 100, out));
        }
    }
}
