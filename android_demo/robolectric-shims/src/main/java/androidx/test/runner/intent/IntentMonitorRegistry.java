package androidx.test.runner.intent;

/** Takes Robolectric's monitor and forgets it. */
public final class IntentMonitorRegistry {
    private IntentMonitorRegistry() { }

    public static void registerInstance(IntentMonitor monitor) { }
}
