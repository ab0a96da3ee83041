package org.squeezebert.demo.core;

import java.util.Map;

/** Where the benchmark asks the device about itself. */
public interface DeviceProbe {
    /** Facts that do not change: model, SoC, Android version, ABI, core clocks; JSON values. */
    Map<String, Object> facts();

    DeviceState state();
}
