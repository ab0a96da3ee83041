package org.squeezebert.demo.app;

import android.app.Application;
import android.content.Context;
import android.content.pm.ApplicationInfo;
import android.os.Handler;
import android.os.Looper;
import android.os.StrictMode;
import android.system.ErrnoException;
import android.system.Os;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.squeezebert.internal.BundleStore;
import org.squeezebert.internal.EngineProvider;
import org.squeezebert.internal.NanoClock;

/** Holds what outlives an activity: the open bundle, the loaded model and what each screen shows. */
public class DemoApplication extends Application {
    /** One worker: two inferences at once would measure each other. */
    final ExecutorService worker = Executors.newSingleThreadExecutor();
    AndroidDevice device;
    Session session;
    ClassifyPresenter classify;
    SelfTestPresenter selfTest;
    BenchmarkPresenter benchmark;
    BundlesPresenter bundles;
    AboutPresenter about;

    /** Before the providers of libraries, which are created ahead of onCreate: ONNX Runtime reads the switch when it is loaded. */
    @Override
    protected void attachBaseContext(Context base) {
        super.attachBaseContext(base);
        try {
            Os.setenv("ORT_DISABLE_TELEMETRY", "1", true);
        } catch (ErrnoException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void onCreate() {
        super.onCreate();
        if (isDebuggable(this)) StrictMode.setThreadPolicy(new StrictMode.ThreadPolicy.Builder().detectAll().penaltyLog().build());
        Handler main = new Handler(Looper.getMainLooper());
        device = new AndroidDevice(this);
        BundleStore store = new BundleStore(getFilesDir().toPath().resolve("bundles"));
        session = new Session(store, EngineProvider::installed, clock(), device, new ActiveBundle(this),
            () -> AssetSource.builtIn(getAssets()), worker, main::post);
        classify = new ClassifyPresenter(session);
        selfTest = new SelfTestPresenter(session);
        benchmark = new BenchmarkPresenter(session, new BenchmarkHistory(getFilesDir().toPath().resolve("history.json")));
        bundles = new BundlesPresenter(session, classify);
        about = new AboutPresenter(session);
        classify.start();
        bundles.refresh();
        benchmark.refresh();
    }

    /** A model in a process that nobody looks at is what the system kills first. */
    @Override
    public void onTrimMemory(int level) {
        super.onTrimMemory(level);
        if (level >= TRIM_MEMORY_BACKGROUND) worker.execute(session::unload);
    }

    static boolean isDebuggable(Context context) {
        return (context.getApplicationInfo().flags & ApplicationInfo.FLAG_DEBUGGABLE) != 0;
    }

    /** The clock of every measurement. */
    protected NanoClock clock() {
        return AndroidClock.INSTANCE;
    }
}
