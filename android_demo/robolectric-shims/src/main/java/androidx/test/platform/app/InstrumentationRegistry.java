package androidx.test.platform.app;

import android.app.Instrumentation;
import android.os.Bundle;

/** Robolectric registers its instrumentation here at the start of each test. */
public final class InstrumentationRegistry {
    private static volatile Instrumentation registered;
    private static volatile Bundle options = new Bundle();

    private InstrumentationRegistry() { }

    public static void registerInstance(Instrumentation instrumentation, Bundle arguments) {
        registered = instrumentation;
        options = arguments;
    }

    public static Instrumentation getInstrumentation() {
        return registered;
    }

    public static Bundle getArguments() {
        return new Bundle(options);
    }
}
