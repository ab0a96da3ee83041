package androidx.test.runner.lifecycle;

/** Takes Robolectric's monitor and forgets it. */
public final class ApplicationLifecycleMonitorRegistry {
    private ApplicationLifecycleMonitorRegistry() { }

    public static void registerInstance(ApplicationLifecycleMonitor monitor) { }
}
