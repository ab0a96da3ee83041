package androidx.test.runner.intent;

import android.app.Instrumentation.ActivityResult;
import android.content.Intent;

/** Robolectric asks for canned results; there are none here. */
public interface IntentStubber {
    ActivityResult getActivityResultForIntent(Intent intent);
}
