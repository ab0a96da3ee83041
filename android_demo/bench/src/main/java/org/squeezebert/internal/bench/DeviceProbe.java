package org.squeezebert.internal.bench;

import java.util.Map;

/** Where the benchmark asks the device about itself, on the thread that measures. */
public interface DeviceProbe {
    /** No core, and no priority. */
    int UNKNOWN = Integer.MIN_VALUE;

    /** Facts that do not change: model, SoC, Android version, ABI, core clocks; JSON values. */
    Map<String, Object> facts();

    DeviceState state();

    /** Called before anything is loaded: makes this thread, and those that runtimes start from it, as urgent as drawing is. Returns its nice value. */
    default int begin() {
        return UNKNOWN;
    }

    /** The core that this thread ran on last. */
    default int core() {
        return UNKNOWN;
    }

    /** Called at the end: undoes what {@link #begin} did. */
    default void end() { }
}
