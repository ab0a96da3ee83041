package org.squeezebert.demo.app;

import android.app.Activity;
import android.content.Intent;
import android.os.Build;
import android.os.Bundle;
import android.util.Log;
import android.view.View;
import android.widget.RadioButton;
import android.widget.RadioGroup;
import android.widget.TextView;
import java.io.File;
import java.nio.file.Path;
import org.squeezebert.SqueezeBertException;
import org.squeezebert.internal.bench.BenchmarkProtocol;
import org.squeezebert.internal.bench.RemoteRun;
import org.squeezebert.internal.bench.RunRequest;

/**
 * Five screens behind a bar below or, where there is room, a rail beside them. A start with the extra "run_id" is a measurement that a
 * host asked for (see README.md, "The contract with a host").
 */
public final class MainActivity extends Activity {
    private static final int[] TABS = {R.id.tab_classify, R.id.tab_self_test, R.id.tab_benchmark, R.id.tab_bundles, R.id.tab_about};
    private static final int[] SCREENS = {R.id.screen_classify, R.id.screen_self_test, R.id.screen_benchmark, R.id.screen_bundles, R.id.screen_about};

    private DemoApplication demo;
    private ClassifyScreen classify;
    private SelfTestScreen selfTest;
    private BenchmarkScreen benchmark;
    private BundlesScreen bundles;
    private AboutScreen about;
    private RadioGroup tabs;
    /** Null before Android 13, which lacks its classes. */
    private BackToFirst back;

    @Override
    protected void onCreate(Bundle state) {
        super.onCreate(state);
        setContentView(R.layout.main);
        EdgeToEdge.of(this);
        tabs = findViewById(R.id.tabs);
        if (Build.VERSION.SDK_INT >= 33) back = new BackToFirst(this, () -> tabs.check(R.id.tab_classify));
        demo = (DemoApplication) getApplication();
        classify = new ClassifyScreen(this, demo.session, demo.classify, () -> tabs.check(R.id.tab_bundles));
        selfTest = new SelfTestScreen(this, demo.selfTest);
        benchmark = new BenchmarkScreen(this, demo.session, demo.benchmark);
        bundles = new BundlesScreen(this, demo.bundles);
        about = new AboutScreen(this, demo.about);
        tabs.setOnCheckedChangeListener((group, tab) -> show(tab));
        tabs.check(R.id.tab_classify);
        demo.worker.execute(this::announce);
        if (state == null) measureIfAsked(getIntent());
    }

    private void show(int tab) {
        for (int i = 0; i < TABS.length; i++) findViewById(SCREENS[i]).setVisibility(TABS[i] == tab ? View.VISIBLE : View.GONE);
        this.<TextView>findViewById(R.id.title).setText(this.<RadioButton>findViewById(tab).getText());
        if (tab == R.id.tab_about) demo.about.refresh();
        if (back != null) back.listen(tab != R.id.tab_classify);
    }

    /** Before Android 13. */
    @Override
    @SuppressWarnings("deprecation")
    public void onBackPressed() {
        if (tabs.getCheckedRadioButtonId() == R.id.tab_classify) {
            super.onBackPressed();
        } else {
            tabs.check(R.id.tab_classify);
        }
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        measureIfAsked(intent);
    }

    /** Shows a host which folders this app made; on a phone without shared storage the private one is all there is. */
    private void announce() {
        for (File folder : new File[] {getExternalFilesDir(null), getFilesDir()}) {
            try {
                if (folder != null) RemoteRun.announce(folder.toPath());
            } catch (SqueezeBertException e) {
                Log.w("SqueezeBERT", e); // the host finds the other one, or says that neither is there
            }
        }
    }

    /** Any app may start this one, and none may make it measure: a release build takes that from who may pass the entry for adb's shell. */
    private boolean comesFromAHost(Intent intent) {
        return DemoApplication.isDebuggable(this) || intent.getComponent() != null && intent.getComponent().getShortClassName().equals(".Measure");
    }

    private void measureIfAsked(Intent intent) {
        String runId = intent.getStringExtra("run_id");
        if (runId == null || !comesFromAHost(intent)) return;
        File folder = "private".equals(intent.getStringExtra("folder")) ? getFilesDir() : getExternalFilesDir(null);
        if (folder == null) return;
        tabs.check(R.id.tab_benchmark);
        try {
            BenchmarkProtocol protocol = new BenchmarkProtocol(intent.getIntExtra("threads", 1), intent.getIntExtra("tokens", 128),
                intent.getIntExtra("warmup", 10), intent.getIntExtra("min_runs", 100), intent.getIntExtra("min_seconds", 0),
                intent.getIntExtra("turn_warmup", 1), intent.getIntExtra("turn_runs", 4), intent.getIntExtra("cool_down", 0));
            RunRequest request = new RunRequest(runId, intent.getStringExtra("artifacts"), protocol);
            Path copies = getCacheDir().toPath().resolve("measured");
            demo.benchmark.run(() -> new RemoteRun(folder.toPath(), copies, demo.session.providers(), demo.clock(), demo.session.device()), request);
        } catch (SqueezeBertException | IllegalArgumentException e) {
            Screens.text(findViewById(R.id.benchmark_error), String.valueOf(e.getMessage()));
        }
    }

    @Override
    protected void onStart() {
        super.onStart();
        demo.device.setInFront(true);
        classify.start();
        selfTest.start();
        benchmark.start();
        bundles.start();
        about.start();
    }

    @Override
    protected void onStop() {
        if (!isChangingConfigurations()) {
            // Behind another app it has the slow cores, or none.
            demo.device.setInFront(false);
            demo.benchmark.cancel();
        }
        classify.stop();
        selfTest.stop();
        benchmark.stop();
        bundles.stop();
        about.stop();
        super.onStop();
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result != RESULT_OK || data == null || data.getData() == null) return;
        if (request == BundlesScreen.PICK_ZIP) bundles.picked(data.getData());
        if (request == BenchmarkScreen.PICK_RESULT) benchmark.picked(data.getData());
    }
}
