package androidx.test.internal.runner.intent;

import android.content.Intent;
import androidx.test.runner.intent.IntentMonitor;

/** Robolectric tells it of each intent; no test listens. */
public final class IntentMonitorImpl implements IntentMonitor {
    public void signalIntent(Intent intent) { }
}
