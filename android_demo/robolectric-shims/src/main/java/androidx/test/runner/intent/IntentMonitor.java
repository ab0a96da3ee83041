package androidx.test.runner.intent;

/** Named by Robolectric, used by no test. */
public interface IntentMonitor { }
