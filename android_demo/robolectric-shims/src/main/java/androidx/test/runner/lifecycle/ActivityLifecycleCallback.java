package androidx.test.runner.lifecycle;

import android.app.Activity;

/** Called at each change of an activity's stage. */
public interface ActivityLifecycleCallback {
    void onActivityLifecycleChanged(Activity activity, Stage stage);
}
