package androidx.test.runner.lifecycle;

/** Named by Robolectric, used by no test. */
public interface ApplicationLifecycleMonitor { }
